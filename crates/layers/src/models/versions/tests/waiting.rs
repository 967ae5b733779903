//! Changes that wait for a slow one.

use futures_util::FutureExt;

use super::*;

#[tokio::test]
async fn so_many_loads_and_unloads_wait_and_no_more() {
    let layer = Layer::start();
    let lock = layer.catalog.change_lock.lock().await;
    let waiting: Vec<_> = (0..16)
        .map(|_| {
            let catalog = Arc::clone(&layer.catalog);
            tokio::spawn(async move { catalog.load(Some(2)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    // Each change is refused without waiting.
    let refused = [
        layer.catalog.load(Some(2)).now_or_never().unwrap().err(),
        layer.catalog.unload(2).now_or_never().unwrap().err(),
        layer.catalog.unload_idle().now_or_never().unwrap().err(),
    ];
    for fault in refused.map(Option::unwrap) {
        assert_eq!(fault.kind, FaultKind::ResourceExhausted);
        assert!(fault.message.contains("16 loads") && fault.retry_after.is_some(), "{fault:?}");
    }
    assert_eq!(layer.answerer().await, 1);
    drop(lock);
    for load in waiting {
        assert_eq!(load.await.unwrap().unwrap(), 2);
    }
    layer.catalog.unload(2).await.unwrap();
    assert_eq!(layer.loaded(), [1]);
}
