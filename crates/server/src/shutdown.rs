//! One switch that tells every task to come to an end.

use tokio::sync::watch;

/// Turns the switch. Cloned and held by whoever may stop the server.
#[derive(Clone, Debug)]
pub(crate) struct Switch(watch::Sender<bool>);

/// Sees the switch.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Switch {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Tells everybody to stop. It cannot be taken back.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn subscribe(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }
}

impl Stopping {
    /// Whether the switch was turned.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when the switch is turned. Cancel safe.
    pub(crate) async fn wait(&mut self) {
        // An error means that the switch is gone, and with it the server.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
