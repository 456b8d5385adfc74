//! The bucket's own rules: locks, lifecycle, notifications, settings.

use selvedge_r2::{
    Action, Bucket, ClaimedPart, ClassTransition, CopyOptions, CorsAllowed, CorsRule, CreateOptions, Error,
    LifecycleCondition, LifecycleOutcome, LifecycleRule, LifecycleScope, ListUploads, LockCondition,
    LockRule, Moment, NotificationRule, PublicAccess, PutOptions, StorageClass, Transition,
};

use crate::support::{Place, body, get, put, put_with};

fn lock(prefix: &str, condition: LockCondition) -> LockRule {
    LockRule { id: format!("{prefix} {condition:?}"), enabled: true, prefix: prefix.to_owned(), condition }
}

fn moment(text: &str) -> Moment {
    Moment::try_from(text.to_owned()).unwrap()
}

async fn is_locked(bucket: &Bucket, key: &str) -> bool {
    let locked = |error: &Error| (error.v4code(), error.status()) == (10069, 403);
    let first = put_with(bucket, key, b"new", PutOptions::default()).await.err();
    if first.is_none() {
        // It is a new object from now on, with its own age.
        return false;
    }
    let refusals = [
        first,
        put_with(bucket, key, &[1; 100], PutOptions::default()).await.err(),
        bucket.copy(key, bucket, "source", CopyOptions::default()).await.err(),
        bucket.delete(vec!["other".to_owned(), key.to_owned()]).await.err(),
    ];
    assert!(refusals.iter().all(|refusal| refusal.as_ref().is_some_and(locked)), "{refusals:?}");
    true
}

/// The beginning of the clock's day: 2023-11-14.
const YEAR: u64 = 365 * 24 * 60 * 60 * 1000;

#[tokio::test]
async fn a_lock_keeps_an_object_from_being_deleted_and_overwritten() {
    let place = Place::new();
    let bucket = place.open().await;
    put(&bucket, "source", b"source").await;
    let conditions = [
        (LockCondition::Age { max_age_seconds: 100 }, 100_000),
        (LockCondition::Date { date: moment("2024-02-01T00:00:00Z") }, YEAR),
        (LockCondition::Indefinite, u64::MAX),
    ];
    for (condition, lasts) in conditions {
        bucket.set_locks(Vec::new()).await.unwrap();
        for key in ["keep/small", "keep/large", "free"] {
            put(&bucket, key, &vec![1; if key.ends_with("large") { 100 } else { 5 }]).await;
        }
        // It holds for what is there already, and for a key that has nothing yet it does not.
        bucket.set_locks(vec![lock("keep/", condition.clone())]).await.unwrap();
        assert!(is_locked(&bucket, "keep/small").await && is_locked(&bucket, "keep/large").await);
        assert!(!is_locked(&bucket, "free").await);
        put(&bucket, "keep/new", b"new").await;
        assert!(is_locked(&bucket, "keep/new").await, "{condition:?}");
        let id = bucket.create_multipart("keep/small", CreateOptions::default()).await.unwrap();
        let etag = bucket.upload_part("keep/small", &id, 1, body(b"part", 4), 4).await.unwrap();
        let refused = bucket.complete_multipart("keep/small", &id, vec![ClaimedPart::new(1, etag)]).await;
        assert!(matches!(refused, Err(Error::ObjectLocked)), "{refused:?}");
        assert_eq!(get(&bucket, "keep/small").await.unwrap(), [1; 5]);
        if lasts < u64::MAX {
            place.clock.advance(lasts);
            assert!(!is_locked(&bucket, "keep/small").await, "{condition:?}");
        }
        let disabled = LockRule { enabled: false, ..lock("", LockCondition::Indefinite) };
        bucket.set_locks(vec![disabled]).await.unwrap();
        assert!(!is_locked(&bucket, "keep/large").await);
        bucket.delete(vec!["keep/new".to_owned()]).await.unwrap();
    }
}

fn rule(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule {
        id: id.to_owned(),
        enabled: true,
        conditions: LifecycleScope { prefix: prefix.to_owned() },
        ..LifecycleRule::default()
    }
}

fn age(max_age: u64) -> Transition {
    Transition { condition: LifecycleCondition::Age { max_age } }
}

#[tokio::test]
async fn lifecycle_rules_delete_move_and_abort_when_due() {
    let place = Place::new();
    let bucket = place.open().await;
    let delete = LifecycleRule { delete_objects_transition: Some(age(100)), ..rule("delete", "logs/") };
    let by_date = LifecycleRule {
        delete_objects_transition: Some(Transition {
            condition: LifecycleCondition::Date { date: moment("2024-02-01") },
        }),
        ..rule("date", "old/")
    };
    let condition = LifecycleCondition::Age { max_age: 50 };
    let class = StorageClass::InfrequentAccess;
    let transition = ClassTransition { condition, storage_class: class };
    let moving = LifecycleRule { storage_class_transitions: vec![transition], ..rule("move", "") };
    let abort = LifecycleRule { abort_multipart_uploads_transition: Some(age(70)), ..rule("abort", "logs/") };
    let rules = vec![delete, by_date, moving, abort];
    bucket.set_lifecycle(Some(rules.clone())).await.unwrap();
    for key in ["logs/1", "logs/2", "old/1", "other"] {
        put(&bucket, key, &vec![1; if key == "logs/2" { 100 } else { 3 }]).await;
    }
    bucket.set_locks(vec![lock("logs/1", LockCondition::Age { max_age_seconds: 1000 })]).await.unwrap();
    for key in ["logs/up", "other/up"] {
        let id = bucket.create_multipart(key, CreateOptions::default()).await.unwrap();
        bucket.upload_part(key, &id, 1, body(&[1; 100], 10), 100).await.unwrap();
    }
    let apply = async |seconds: u64| {
        place.clock.advance(seconds * 1000);
        let done = bucket.apply_lifecycle().await.unwrap();
        (done.deleted, done.moved, done.aborted)
    };
    assert_eq!(apply(49).await, (0, 0, 0));
    assert_eq!(apply(1).await, (0, 4, 0));
    assert_eq!(bucket.head("other").await.unwrap().unwrap().class, class);
    assert_eq!(bucket.usage().await.unwrap().infrequent_bytes, 109);
    assert_eq!(apply(20).await, (0, 0, 1));
    assert_eq!(bucket.list_uploads(&ListUploads::default()).await.unwrap().uploads[0].key, "other/up");
    let (at, id) = bucket.expiration(&bucket.head("logs/1").await.unwrap().unwrap()).unwrap();
    assert_eq!((at.0, id.as_str()), (1_700_000_000_500 + 100_000, "delete"));
    // The locked one stays, and goes when the lock is over.
    assert_eq!(apply(30).await, (1, 0, 0));
    assert_eq!(get(&bucket, "logs/2").await, None);
    assert_eq!(apply(900).await, (1, 0, 0));
    assert_eq!(apply(YEAR / 1000).await, (1, 0, 0));
    assert_eq!(get(&bucket, "old/1").await, None);
    assert_eq!(get(&bucket, "other").await.unwrap(), [1; 3]);
    assert_eq!(bucket.usage().await.unwrap().objects, 1);
    // The part of the upload that is open, and nothing else.
    place.settle(1).await;
    let twice = bucket.set_lifecycle(Some(vec![rules[0].clone(), rules[0].clone()])).await;
    assert!(matches!(twice, Err(Error::InvalidArgument(_))));
    assert!(matches!(
        bucket.set_lifecycle(Some(vec![rule("idle", "")])).await,
        Err(Error::InvalidArgument(_))
    ));
}

#[tokio::test]
async fn uploads_that_nobody_completes_are_aborted_after_seven_days() {
    let place = Place::new();
    let bucket = place.open().await;
    bucket.create_multipart("k", CreateOptions::default()).await.unwrap();
    place.clock.advance(7 * 24 * 60 * 60 * 1000 - 1);
    assert_eq!(bucket.apply_lifecycle().await.unwrap(), LifecycleOutcome::default());
    place.clock.advance(1);
    assert_eq!(bucket.apply_lifecycle().await.unwrap().aborted, 1);
    assert_eq!(bucket.usage().await.unwrap().uploads, 0);
}

#[tokio::test]
async fn more_objects_than_one_look_takes_are_all_deleted() {
    let place = Place::new();
    let bucket = place.open().await;
    let rule = LifecycleRule { delete_objects_transition: Some(age(1)), ..rule("delete", "a/") };
    bucket.set_lifecycle(Some(vec![rule])).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let bucket = bucket.clone();
        writers.spawn(async move {
            for n in 0..80 {
                put(&bucket, &format!("{}/{writer}-{n}", if n % 4 == 0 { "b" } else { "a" }), b"x").await;
            }
        });
    }
    writers.join_all().await;
    place.clock.advance(1000);
    assert_eq!(bucket.apply_lifecycle().await.unwrap().deleted, 960);
    assert_eq!(bucket.usage().await.unwrap().objects, 320);
}

#[tokio::test]
async fn events_tell_what_happened_and_nothing_else() {
    let place = Place::new();
    let bucket = place.open().await;
    let notify = |actions: &[Action], prefix: &str, suffix: &str| NotificationRule {
        queue: "photos".to_owned(),
        actions: actions.to_vec(),
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
        description: String::new(),
    };
    let created = [Action::PutObject, Action::CopyObject, Action::CompleteMultipartUpload];
    let rules = vec![
        notify(&created, "in/", ".jpg"),
        notify(&[Action::DeleteObject, Action::LifecycleDeletion], "in/", ""),
    ];
    bucket.set_notification_rules(rules.clone()).await.unwrap();
    let overlapping = [rules.clone(), vec![notify(&[Action::PutObject], "in/2/", "")]].concat();
    assert!(matches!(bucket.set_notification_rules(overlapping).await, Err(Error::InvalidArgument(_))));

    let object = put(&bucket, "in/a.jpg", &[1; 100]).await;
    put(&bucket, "in/a.png", b"not wanted").await;
    put(&bucket, "out/a.jpg", b"not wanted").await;
    let conditions = crate::support::if_absent();
    let refused =
        put_with(&bucket, "in/a.jpg", b"x", PutOptions { conditions, ..PutOptions::default() }).await;
    assert!(refused.is_err());
    bucket.copy("in/b.jpg", &bucket, "in/a.jpg", CopyOptions::default()).await.unwrap();
    bucket.delete(vec!["in/a.jpg".to_owned(), "in/none.jpg".to_owned()]).await.unwrap();
    let events = bucket.events(0, 100).await.unwrap();
    let messages: Vec<serde_json::Value> =
        events.iter().map(|event| serde_json::from_str(&event.message).unwrap()).collect();
    let at = "2023-11-14T22:13:20.500Z";
    let object_fields = serde_json::json!({"key": "in/a.jpg", "size": 100, "eTag": object.etag});
    let mut copied = object_fields.clone();
    copied["key"] = "in/b.jpg".into();
    assert_eq!(
        messages,
        [
            serde_json::json!({
                "account": "local", "bucket": "b", "object": object_fields, "action": "PutObject", "eventTime": at
            }),
            serde_json::json!({
                "account": "local", "bucket": "b", "object": copied, "action": "CopyObject", "eventTime": at,
                "copySource": {"bucket": "b", "object": "in/a.jpg"}
            }),
            serde_json::json!({
                "account": "local", "bucket": "b", "object": {"key": "in/a.jpg"}, "action": "DeleteObject",
                "eventTime": at
            }),
        ]
    );
    assert!(events.iter().all(|event| event.queue == "photos"));
    bucket.forget_events(events[1].id).await.unwrap();
    assert_eq!(bucket.events(0, 100).await.unwrap(), events[2..]);
    assert_eq!(bucket.events(events[2].id, 100).await.unwrap(), []);
}

#[tokio::test]
async fn settings_stay() {
    let place = Place::new();
    let bucket = place.open().await;
    assert_eq!(bucket.cors(), None);
    assert_eq!(bucket.lifecycle()[0].id, "Default Multipart Abort Rule");
    let allowed = CorsAllowed {
        origins: vec!["https://a.example".to_owned()],
        methods: vec!["GET".to_owned()],
        headers: Vec::new(),
    };
    let cors = Some(vec![CorsRule { allowed, ..CorsRule::default() }]);
    bucket.set_cors(cors.clone()).await.unwrap();
    bucket.set_public_access(PublicAccess { enabled: true }).await.unwrap();
    bucket.set_lifecycle(Some(Vec::new())).await.unwrap();
    bucket.set_default_class(StorageClass::InfrequentAccess).await.unwrap();
    let locks = vec![lock("a", LockCondition::Age { max_age_seconds: 5 })];
    bucket.set_locks(locks.clone()).await.unwrap();
    let created = bucket.created();
    drop(bucket);
    place.clock.advance(1000);
    let bucket = place.open().await;
    assert_eq!((bucket.cors(), bucket.locks(), bucket.lifecycle()), (cors, locks, Vec::new()));
    assert_eq!((bucket.created(), bucket.public_access().enabled), (created, true));
    assert_eq!(put(&bucket, "k", b"x").await.class, StorageClass::InfrequentAccess);
    let rule = CorsRule { max_age_seconds: Some(86_401), ..bucket.cors().unwrap()[0].clone() };
    assert!(matches!(bucket.set_cors(Some(vec![rule])).await, Err(Error::InvalidArgument(_))));
}
