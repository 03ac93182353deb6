//! A way to a server on which a test delays and cuts what passes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// The way.
pub struct Gate {
    /// Where it is entered.
    pub port: u16,
    /// Where it leads.
    pub leads_to: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    delay_ms: AtomicU64,
    bytes: AtomicU64,
    cut: Notify,
}

impl Gate {
    pub async fn to(leads_to: u16) -> Self {
        let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
        let (port, shared) = (listener.local_addr().unwrap().port(), Arc::new(Shared::default()));
        let of_task = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(of_task.clone().pass(client, leads_to));
            }
        });
        Self { port, leads_to, shared }
    }

    /// How long each piece is held up from now on, in milliseconds.
    pub fn delay_ms(&self, delay_ms: u64) {
        self.shared.delay_ms.store(delay_ms, Ordering::SeqCst);
    }

    /// How many bytes were sent to the server.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        self.shared.cut.notify_waiters();
    }
}

impl Shared {
    async fn pass(self: Arc<Self>, client: TcpStream, leads_to: u16) {
        let Ok(server) = TcpStream::connect(("localhost", leads_to)).await else { return };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = self.copy(from_client, to_server, true) => {}
            () = self.copy(from_server, to_client, false) => {}
            () = self.cut.notified() => {}
        }
    }

    async fn copy(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, is_counted: bool) {
        let mut piece = [0; 4_096];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            if is_counted {
                self.bytes.fetch_add(length as u64, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))).await;
            if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    }
}
