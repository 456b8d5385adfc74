//! Decides about one action of one statement while SQLite prepares it.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::lists::{BUILT_IN_TABLES, CONNECTION_STATE, FUNCTIONS, INSPECTING, MODULES, READ_ONLY, SETTING};
use super::scope::{Seen, noting};

/// Names with this prefix are Cloudflare's, in any case.
const RESERVED: &str = "_cf_";

pub(super) fn authorize(context: AuthContext<'_>) -> Authorization {
    let own = Authorization::Allow;
    noting(|seen| if allows(&context, seen) { Authorization::Allow } else { Authorization::Deny })
        .unwrap_or(own)
}

fn allows(context: &AuthContext<'_>, seen: &mut Seen) -> bool {
    match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => is_there(seen, table_name) && is_free(table_name),
        // `CREATE TRIGGER temp.x` tells of the temporary schema only here.
        AuthAction::Insert { table_name } => {
            context.database_name != Some("temp") && is_there(seen, table_name) && is_free(table_name)
        }
        AuthAction::Function { function_name } => {
            seen.connection_state |= contains(CONNECTION_STATE, function_name);
            contains(FUNCTIONS, function_name)
        }
        AuthAction::Pragma { pragma_name, pragma_value } => pragma(seen, pragma_name, pragma_value),
        AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::Analyze { table_name } => schema(context, seen, &[table_name]),
        AuthAction::CreateIndex { index_name: name, table_name }
        | AuthAction::DropIndex { index_name: name, table_name }
        | AuthAction::CreateTrigger { trigger_name: name, table_name }
        | AuthAction::DropTrigger { trigger_name: name, table_name } => {
            schema(context, seen, &[name, table_name])
        }
        AuthAction::CreateView { view_name } | AuthAction::DropView { view_name } => {
            schema(context, seen, &[view_name])
        }
        AuthAction::CreateVtable { table_name, module_name }
        | AuthAction::DropVtable { table_name, module_name } => {
            schema(context, seen, &[table_name]) && contains(MODULES, module_name)
        }
        AuthAction::Reindex { index_name } => schema(context, seen, &[index_name]),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            seen.transaction = true;
            false
        }
        // ATTACH, DETACH, everything TEMP (readers would not see it), and what a newer SQLite may add.
        _ => false,
    }
}

fn pragma(seen: &mut Seen, name: &str, value: Option<&str>) -> bool {
    if contains(INSPECTING, name) {
        // Without a check for reserved names: the shape of a hidden table is no secret, its rows are.
        return true;
    }
    seen.pragma |= contains(SETTING, name);
    // `data_version` and `page_size` are the connection's own, and the writer's is the one that counts.
    seen.connection_state |= contains(READ_ONLY, name);
    contains(SETTING, name) || (contains(READ_ONLY, name) && value.is_none())
}

fn schema(context: &AuthContext<'_>, seen: &mut Seen, names: &[&str]) -> bool {
    seen.schema = true;
    // `CREATE TABLE temp.x` comes as the creation of a table like any other.
    context.database_name != Some("temp") && names.iter().all(|name| is_free(name))
}

/// False for a table that users are told does not exist.
fn is_there(seen: &mut Seen, table: &str) -> bool {
    let hidden = BUILT_IN_TABLES.iter().find(|name| name.eq_ignore_ascii_case(table));
    seen.hidden = seen.hidden.or(hidden.copied());
    hidden.is_none()
}

fn is_free(name: &str) -> bool {
    !name.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
}

/// True when the sorted `list` has `name`, in any case.
fn contains(list: &[&str], name: &str) -> bool {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return list.binary_search(&name.to_ascii_lowercase().as_str()).is_ok();
    }
    list.binary_search(&name).is_ok()
}
