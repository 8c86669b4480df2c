//! A network in memory: byte pipes whose links a test cuts, heals and resets.
//!
//! A cut link behaves like lost packets: connecting hangs, bytes wait, nobody is told. A node that
//! crashed resets its connections, as its kernel would.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, unfold};
use raft_store::env::{Link, Transport};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

/// Bytes a link holds, as a socket buffer would.
const BUFFER: usize = 64 << 10;

#[derive(Default)]
pub struct Net {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    listeners: BTreeMap<String, mpsc::UnboundedSender<Link>>,
    cuts: BTreeSet<(String, String)>,
    refusals: BTreeSet<(String, String)>,
    lives: BTreeMap<String, u64>,
    waiting: Vec<Waker>,
}

impl Net {
    /// The transport of one node; its address is its name.
    pub fn of(self: &Arc<Self>, name: &str) -> Arc<dyn Transport> {
        Arc::new(Port { net: Arc::clone(self), name: name.into() })
    }

    /// Loses everything from `from` to `to`, until healed.
    pub fn cut(&self, from: &str, to: &str) {
        self.lock().cuts.insert((from.into(), to.into()));
    }

    /// Cuts a node off from all of `others`, both ways.
    pub fn isolate(&self, node: &str, others: &[&str]) {
        for other in others.iter().filter(|other| **other != node) {
            self.cut(node, other);
            self.cut(other, node);
        }
    }

    /// Resets and refuses whatever `from` opens to `to`, until healed: as if nobody listened there.
    pub fn refuse(&self, from: &str, to: &str) {
        let mut inner = self.lock();
        inner.refusals.insert((from.into(), to.into()));
        inner.wake();
    }

    pub fn heal(&self) {
        let mut inner = self.lock();
        inner.cuts.clear();
        inner.refusals.clear();
        inner.wake();
    }

    /// The process on this node is gone: its listener closes, its connections are reset.
    pub fn kill(&self, name: &str) {
        let mut inner = self.lock();
        inner.listeners.remove(name);
        *inner.lives.entry(name.into()).or_default() += 1;
        inner.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Inner {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn is_cut(&self, from: &str, to: &str) -> bool {
        self.cuts.contains(&(from.to_owned(), to.to_owned()))
    }

    fn is_refused(&self, from: &str, to: &str) -> bool {
        self.refusals.contains(&(from.to_owned(), to.to_owned()))
    }

    fn life(&self, name: &str) -> u64 {
        self.lives.get(name).copied().unwrap_or_default()
    }
}

struct Port {
    net: Arc<Net>,
    name: String,
}

impl Transport for Port {
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<Link>> {
        let (net, from) = (Arc::clone(&self.net), self.name.clone());
        Box::pin(async move {
            let cut = {
                let inner = net.lock();
                inner.is_cut(&from, &address) || inner.is_cut(&address, &from)
            };
            if cut {
                std::future::pending::<()>().await; // the caller's timeout ends it, as it ends a lost SYN
            }
            let inner = net.lock();
            if inner.is_refused(&from, &address) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let listener = inner.listeners.get(&address).ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = duplex(BUFFER);
            let lives = [(from.clone(), inner.life(&from)), (address.clone(), inner.life(&address))];
            let opened = (from.clone(), address.clone());
            let pipe = |io, from: &str, to: &str| Pipe {
                io,
                opened: opened.clone(),
                net: Arc::clone(&net),
                from: from.into(),
                to: to.into(),
                lives: lives.clone(),
            };
            let theirs = Link { io: Box::new(pipe(far, &address, &from)), name: from.as_str().into() };
            listener.send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok(Link { io: Box::new(pipe(near, &from, &address)), name: address.as_str().into() })
        })
    }

    fn listen(&self) -> BoxFuture<'static, io::Result<BoxStream<'static, Link>>> {
        let (tell, links) = mpsc::unbounded_channel();
        self.net.lock().listeners.insert(self.name.clone(), tell);
        Box::pin(async move {
            Ok(unfold(links, |mut links| async move { links.recv().await.map(|link| (link, links)) }).boxed())
        })
    }
}

/// One end of a connection.
struct Pipe {
    io: DuplexStream,
    net: Arc<Net>,
    from: String,
    to: String,
    lives: [(String, u64); 2],
    /// Who opened it, to whom.
    opened: (String, String),
}

impl Pipe {
    /// Ready when bytes may pass from here; an error once either end has crashed.
    fn poll_open(&self, cx: &mut Context<'_>, writing: bool) -> Poll<io::Result<()>> {
        let mut inner = self.net.lock();
        let (from, to) = &self.opened;
        if self.lives.iter().any(|(name, life)| inner.life(name) != *life) || inner.is_refused(from, to) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        inner.waiting.push(cx.waker().clone());
        if inner.waiting.len() > 4096 {
            inner.wake(); // a long run without changes; waking is always allowed
        }
        if writing && inner.is_cut(&self.from, &self.to) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.poll_open(cx, false) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.io).poll_read(cx, buf),
            other => other,
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_open(cx, true) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.io).poll_write(cx, bytes),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
