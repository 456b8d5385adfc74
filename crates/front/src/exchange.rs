//! One request and its answer on one connection to the runtime.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::task::coop::unconstrained;

use crate::backend::{Link, silent};
use crate::upload::Upload;

/// Why there is no answer.
pub(crate) enum Failure {
    /// The runtime has not seen any of it: it can be sent again.
    NotSent(Box<Request<Upload>>),
    /// The connection ended after the request was on its way.
    Lost(hyper::Error),
}

/// Sends `request` and waits for the head of the answer.
///
/// The connection is driven here, by the task that waits. What waits for what the connection delivers is
/// therefore polled with a waker that does nothing: it is polled again right after the connection anyway, and
/// waking the task that is running would only have it run once more.
pub(crate) async fn exchange(
    mut link: Link,
    request: Request<Upload>,
) -> Result<(Response<Incoming>, Link), Failure> {
    // Sending wakes whoever drove the connection last, which would be some other client's task.
    link.drive(&mut silent());
    // Without a share of the task's budget: when that is used up, tokio would put the answer off and wake the
    // task to come back for it, with a waker that does nothing.
    let mut answer = pin!(unconstrained(link.sender.try_send_request(request)));
    let answer = poll_fn(|cx| {
        if let Some(connection) = &mut link.connection
            && Pin::new(&mut **connection).poll(cx).is_ready()
        {
            link.connection = None;
        }
        match answer.as_mut().poll(&mut silent()) {
            // The connection took the answer's sender with it, so this resolves at once.
            Poll::Pending if link.connection.is_none() => answer.as_mut().poll(cx),
            polled => polled,
        }
    })
    .await;
    match answer {
        Ok(response) => Ok((response, link)),
        Err(mut error) => Err(match error.take_message() {
            Some(request) => Failure::NotSent(Box::new(request)),
            None => Failure::Lost(error.into_error()),
        }),
    }
}
