//! What is known of the request that this task is answering, beside what `s3s` hands around.

use std::sync::{Arc, OnceLock};

use crate::grant::Grant;

#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The session token that came with the request.
    pub(crate) token: Option<String>,
    /// What its signer may do, once the signer is known.
    grant: OnceLock<Grant>,
}

tokio::task_local! {
    static CALL: Arc<Call>;
}

impl Call {
    pub(crate) fn new(token: Option<String>) -> Self {
        Self { token, grant: OnceLock::new() }
    }

    /// Runs `answer` as the answer to this call.
    pub(crate) async fn answer<T>(self, answer: impl Future<Output = T>) -> T {
        CALL.scope(Arc::new(self), answer).await
    }

    pub(crate) fn current() -> Arc<Self> {
        CALL.try_with(Arc::clone).unwrap_or_default()
    }

    pub(crate) fn set_grant(&self, grant: Grant) {
        // A request has one signature.
        let _ = self.grant.set(grant);
    }

    pub(crate) fn grant(&self) -> Option<&Grant> {
        self.grant.get()
    }
}
