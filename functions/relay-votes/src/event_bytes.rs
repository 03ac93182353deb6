//! Hands a function its event as bytes, so that it can parse them itself.

use std::{cell::RefCell, mem, rc::Rc};

use lambda_runtime::{
    Context, Error, LambdaEvent, LambdaInvocation, Runtime, layers::TracingLayer, service_fn,
    tower::util::MapRequestLayer,
};

/// Runs a function whose handler receives each event's bytes. Lambda's runtime would parse them with `serde_json`; it
/// gets a `null` instead.
pub async fn run(handle: impl AsyncFn(&[u8], Context) -> Result<(), Error>) -> Result<(), Error> {
    let (event, of_handler) = (Rc::new(RefCell::default()), &handle);
    let of_runtime = event.clone();
    let set_aside = MapRequestLayer::new(move |mut invocation: LambdaInvocation| {
        of_runtime.replace(mem::replace(&mut invocation.body, "null".into()));
        invocation
    });
    let handler = service_fn(|invocation: LambdaEvent<()>| {
        let event = event.take();
        async move { of_handler(&event, invocation.context).await }
    });
    Runtime::new(handler).layer(set_aside).layer(TracingLayer::new()).run().await
}
