//! Takes a request's body in, as far as the bounds allow and as long as it keeps coming.

use std::pin::pin;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::timeout;

use crate::refusal::Refusal;
use crate::settings::Bounds;

pub(crate) async fn take_in<B>(body: B, bounds: &Bounds) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let too_large = || Refusal::TooLarge(bounds.request_bytes);
    let announced = usize::try_from(body.size_hint().lower()).map_err(|_| too_large())?;
    if announced > bounds.request_bytes {
        return Err(too_large());
    }
    let mut body = pin!(body);
    // Grows with what comes, not with what is announced: a claim is not worth 64 MiB.
    let mut taken = Vec::new();
    loop {
        let frame = timeout(bounds.body_pause, body.frame()).await.map_err(|_| Refusal::TooSlow)?;
        let Some(frame) = frame else { return Ok(taken.into()) };
        let frame = frame.map_err(|_| Refusal::Unreadable("the body broke off".to_owned()))?;
        if let Some(data) = frame.data_ref() {
            if taken.len() + data.len() > bounds.request_bytes {
                return Err(too_large());
            }
            taken.extend_from_slice(data);
        }
    }
}
