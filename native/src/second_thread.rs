//! The second thread of a load. A load uses no more than two, because it should not take all cores of a service.

use std::thread::{Builder, Scope, ScopedJoinHandle};

/// The stack of a second thread, which needs a fraction of it: neither scanning nor compiling recurses, and only values of
/// unknown fields can be deeply nested, which `serde_json` skips without recursion.
const STACK: usize = 256 * 1024;

/// Starts a second thread. Returns `None` if none is available.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok()
}
