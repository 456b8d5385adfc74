use std::collections::BTreeMap;

use selvedge_base::path_component;
use selvedge_project::{Migration, ObjectExport, ObjectLifecycle, ObjectState};

/// A class with storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectClass {
    pub class: String,
    /// Names the storage, to workerd and on disk.
    pub unique_key: String,
    /// Whether the class may use `storage.sql`.
    pub sqlite: bool,
}

/// What a lifecycle comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Every class that has storage, by class name.
    pub classes: Vec<ObjectClass>,
    /// Unique keys whose class was deleted.
    pub deleted: Vec<String>,
    /// Things the project's owner should know.
    pub warnings: Vec<String>,
}

/// Settles which class of `worker` owns which storage. `recorded` is what was settled the last time; `bound`
/// are the classes that bindings of the app name.
///
/// A list of migrations is replayed from its start, since its whole history is in the config. A map of
/// exports says only what should be, and its tombstones may be removed once they have been applied: it starts
/// from what was recorded.
pub fn settle(
    worker: &str,
    lifecycle: &ObjectLifecycle,
    recorded: &[ObjectClass],
    bound: &[String],
) -> Outcome {
    let mut ledger = Ledger { worker, live: BTreeMap::new(), outcome: Outcome::default() };
    match lifecycle {
        ObjectLifecycle::Migrations(migrations) => migrations.iter().for_each(|m| ledger.migrate(m)),
        ObjectLifecycle::Exports(exports) => ledger.reconcile(exports, recorded),
    }
    for class in bound {
        if !ledger.live.contains_key(class) {
            // As `wrangler dev` does for a class that no migration mentions.
            ledger.create(class, false);
        }
    }
    let Ledger { live, mut outcome, .. } = ledger;
    outcome.classes = live.into_values().collect();
    outcome.deleted.retain(|key| outcome.classes.iter().all(|c| c.unique_key != *key));
    outcome
}

struct Ledger<'a> {
    worker: &'a str,
    live: BTreeMap<String, ObjectClass>,
    outcome: Outcome,
}

impl Ledger<'_> {
    /// In wrangler's order, so that a name can be let go of and taken again in one migration.
    fn migrate(&mut self, migration: &Migration) {
        migration.deleted_classes.iter().for_each(|class| self.delete(class));
        migration.renamed_classes.iter().for_each(|(from, to)| self.rename(from, to));
        migration.new_classes.iter().for_each(|class| self.create(class, false));
        migration.new_sqlite_classes.iter().for_each(|class| self.create(class, true));
    }

    fn reconcile(&mut self, exports: &BTreeMap<String, ObjectExport>, recorded: &[ObjectClass]) {
        self.live = recorded.iter().map(|c| (c.class.clone(), c.clone())).collect();
        for (class, export) in exports {
            if let ObjectState::RenamedTo(to) = &export.state
                && self.live.contains_key(class)
                && !self.live.contains_key(to)
            {
                self.rename(class, to);
            }
        }
        for (class, export) in exports {
            match export.state {
                ObjectState::Created if self.live.contains_key(class) => {
                    if let Some(known) = self.live.get_mut(class) {
                        known.sqlite = export.sqlite;
                    }
                }
                ObjectState::Created => self.create(class, export.sqlite),
                ObjectState::Deleted if self.live.contains_key(class) => self.delete(class),
                ObjectState::Deleted | ObjectState::RenamedTo(_) => {}
            }
        }
        for class in recorded.iter().map(|c| &c.class) {
            if self.live.contains_key(class) && !exports.contains_key(class) {
                self.live.remove(class);
                self.outcome.warnings.push(format!(
                    "the Durable Object class {class} has storage, but \"exports\" no longer mentions it: its \
                     data stays on disk; give it the state \"deleted\" to let go of it"
                ));
            }
        }
    }

    fn create(&mut self, class: &str, sqlite: bool) {
        if let Some(known) = self.live.get(class) {
            if known.sqlite != sqlite {
                self.outcome.warnings.push(format!(
                    "the Durable Object class {class} is created twice, with and without SQLite: the first counts"
                ));
            }
            return;
        }
        let unique_key = self.fresh_key(class);
        let class = class.to_owned();
        self.live.insert(class.clone(), ObjectClass { class, unique_key, sqlite });
    }

    fn rename(&mut self, from: &str, to: &str) {
        if let Some(mut known) = self.live.remove(from) {
            to.clone_into(&mut known.class);
            self.live.insert(to.to_owned(), known);
        } else {
            self.outcome.warnings.push(format!(
                "the Durable Object class {from} is renamed to {to}, but nothing created it before: {to} starts empty"
            ));
            self.create(to, false);
        }
    }

    fn delete(&mut self, class: &str) {
        match self.live.remove(class) {
            Some(known) => self.outcome.deleted.push(known.unique_key),
            None => self
                .outcome
                .warnings
                .push(format!("the Durable Object class {class} is deleted, but nothing created it before")),
        }
    }

    /// `<worker>-<class>`, numbered when that storage belongs to an earlier life of the name.
    fn fresh_key(&self, class: &str) -> String {
        let taken = |key: &String| {
            self.outcome.deleted.contains(key) || self.live.values().any(|c| c.unique_key == *key)
        };
        let plain = path_component(&format!("{}-{class}", self.worker));
        let numbered = (2_u32..).map(|n| format!("{plain}-{n}"));
        std::iter::once(plain.clone()).chain(numbered).find(|key| !taken(key)).unwrap_or(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(tag: &str) -> Migration {
        Migration { tag: tag.to_owned(), ..Migration::default() }
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&n| n.to_owned()).collect()
    }

    fn replay(migrations: Vec<Migration>) -> Outcome {
        settle("app", &ObjectLifecycle::Migrations(migrations), &[], &[])
    }

    #[test]
    fn a_rename_keeps_the_storage() {
        let outcome = replay(vec![
            Migration { new_sqlite_classes: strings(&["Room"]), ..migration("v1") },
            Migration { renamed_classes: vec![("Room".to_owned(), "Hall".to_owned())], ..migration("v2") },
        ]);
        let hall = ObjectClass { class: "Hall".to_owned(), unique_key: "app-Room".to_owned(), sqlite: true };
        assert_eq!(outcome.classes, [hall]);
        assert!(outcome.deleted.is_empty() && outcome.warnings.is_empty());
    }

    #[test]
    fn a_class_made_anew_after_a_rename_or_a_deletion_starts_empty() {
        let outcome = replay(vec![
            Migration { new_classes: strings(&["Room", "Seat"]), ..migration("v1") },
            Migration { renamed_classes: vec![("Room".to_owned(), "Hall".to_owned())], ..migration("v2") },
            Migration { new_classes: strings(&["Room"]), ..migration("v3") },
            Migration {
                deleted_classes: strings(&["Seat"]),
                new_classes: strings(&["Seat"]),
                ..migration("v4")
            },
        ]);
        let keys: Vec<_> =
            outcome.classes.iter().map(|c| (c.class.as_str(), c.unique_key.as_str())).collect();
        assert_eq!(keys, [("Hall", "app-Room"), ("Room", "app-Room-2"), ("Seat", "app-Seat-2")]);
        assert_eq!(outcome.deleted, ["app-Seat"]);
    }

    #[test]
    fn a_bound_class_without_a_migration_gets_plain_storage() {
        let outcome = settle("app", &ObjectLifecycle::default(), &[], &strings(&["Room"]));
        assert_eq!(outcome.classes[0].unique_key, "app-Room");
        assert!(!outcome.classes[0].sqlite);
    }

    fn export(state: ObjectState) -> ObjectExport {
        ObjectExport { sqlite: true, state }
    }

    #[test]
    fn exports_keep_what_was_settled_after_their_tombstones_are_gone() {
        let created = ObjectLifecycle::Exports([("Room".to_owned(), export(ObjectState::Created))].into());
        let first = settle("app", &created, &[], &[]);
        let renamed = ObjectLifecycle::Exports(
            [
                ("Room".to_owned(), export(ObjectState::RenamedTo("Hall".to_owned()))),
                ("Hall".to_owned(), export(ObjectState::Created)),
            ]
            .into(),
        );
        let second = settle("app", &renamed, &first.classes, &[]);
        assert_eq!(second.classes[0].unique_key, "app-Room");
        let later = ObjectLifecycle::Exports([("Hall".to_owned(), export(ObjectState::Created))].into());
        let third = settle("app", &later, &second.classes, &[]);
        assert_eq!(third.classes, second.classes);
    }

    #[test]
    fn exports_delete_by_tombstone_only() {
        let room = ObjectClass { class: "Room".to_owned(), unique_key: "app-Room".to_owned(), sqlite: true };
        let silent =
            settle("app", &ObjectLifecycle::Exports(BTreeMap::new()), std::slice::from_ref(&room), &[]);
        assert!(silent.deleted.is_empty());
        assert_eq!(silent.warnings.len(), 1);
        let tombstone = ObjectLifecycle::Exports([("Room".to_owned(), export(ObjectState::Deleted))].into());
        let deleted = settle("app", &tombstone, &[room], &[]);
        assert_eq!(deleted.deleted, ["app-Room"]);
        assert!(deleted.classes.is_empty());
    }
}
