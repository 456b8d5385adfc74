use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use selvedge_d1::Database;

use crate::body::{self, Body};

pub(crate) async fn handle(_database: &Database, mut request: Request<Incoming>) -> Response<Body> {
    body::drain(request.body_mut()).await;
    body::empty(StatusCode::NOT_IMPLEMENTED)
}
