//! A network in memory: byte pipes whose links are cut, slowed and reset.
//!
//! A cut link behaves like lost packets: connecting hangs, bytes wait, nobody is told, and once it heals the
//! old bytes arrive late. A machine that crashed resets its connections, as its kernel would.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join};
use futures::stream::{BoxStream, StreamExt as _, unfold};
use raft_store::env::{Link, Transport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::dice::Dice;
use super::trace::Trace;

/// Bytes a link holds on either side, as a socket buffer would.
const BUFFER: usize = 64 << 10;
/// Bytes that travel together.
const PACKET: usize = 16 << 10;
/// Packets that may be under way on one link.
const UNDER_WAY: usize = 1_024;
/// A healthy link's delay in microseconds, at least and at most.
const DELAY_US: (u64, u64) = (50, 400);

/// The network. Everything on it is named by the machine's name.
pub struct Net {
    dice: Dice,
    trace: Trace,
    inner: Mutex<Inner>,
    /// Counts the changes; whoever waits for one subscribes.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    listeners: BTreeMap<String, mpsc::UnboundedSender<Link>>,
    cuts: BTreeSet<(String, String)>,
    /// Added delay in milliseconds, at least and at most, of everything one machine sends another.
    slow_ms: BTreeMap<(String, String), (u64, u64)>,
    lives: BTreeMap<String, u64>,
    /// Links between the two are older than this reset.
    resets: BTreeMap<(String, String), u64>,
    counts: Counts,
}

/// What the network did to whom, to see that a fault bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets and connections that had to wait at a cut.
    pub held: u64,
    /// Packets that were slowed.
    pub slowed: u64,
    /// Connections that were reset.
    pub reset: u64,
}

impl Net {
    /// A network without faults.
    pub fn new(dice: Dice, trace: Trace) -> Arc<Self> {
        Arc::new(Self { dice, trace, inner: Mutex::default(), changed: watch::Sender::new(0) })
    }

    /// The transport of the process that now begins on a machine; its address is the machine's name. Once
    /// that process was killed, what is left of it reaches nobody.
    pub fn of(self: &Arc<Self>, name: &str) -> Arc<dyn Transport> {
        let life = self.lock().life(name);
        Arc::new(Port { net: Arc::clone(self), name: name.into(), life })
    }

    /// Loses everything from `from` to `to`, until healed.
    pub fn cut(&self, from: &str, to: &str) {
        self.change(|inner| {
            inner.cuts.insert((from.into(), to.into()));
        });
    }

    /// Cuts every machine of the one side off from every machine of the other, both ways.
    pub fn split(&self, here: &[&str], there: &[&str]) {
        for (a, b) in here.iter().flat_map(|a| there.iter().map(move |b| (a, b))) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// Delays everything a machine sends another, until healed.
    pub fn slow(&self, from: &str, to: &str, least_ms: u64, most_ms: u64) {
        self.change(|inner| {
            inner.slow_ms.insert((from.into(), to.into()), (least_ms, most_ms));
        });
    }

    /// Resets every connection between two machines; they may connect again at once.
    pub fn reset(&self, a: &str, b: &str) {
        self.change(|inner| {
            for link in [(a, b), (b, a)] {
                *inner.resets.entry((link.0.into(), link.1.into())).or_default() += 1;
            }
        });
    }

    /// Ends every cut and every delay.
    pub fn heal(&self) {
        self.change(|inner| {
            inner.cuts.clear();
            inner.slow_ms.clear();
        });
    }

    /// The process on this machine is gone: its listener closes, its connections are reset.
    pub fn kill(&self, name: &str) {
        self.change(|inner| {
            inner.listeners.remove(name);
            *inner.lives.entry(name.into()).or_default() += 1;
        });
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.lock());
        self.changed.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the way is free, and as long as the way takes. False once the link is reset.
    async fn pass(&self, way: &Way) -> bool {
        let free = self.free(way).await;
        if free {
            sleep(self.delay(way)).await;
        }
        free
    }

    /// Waits until the way is free. False once the link is reset.
    async fn free(&self, way: &Way) -> bool {
        let mut changed = self.changed.subscribe();
        let mut counted = false;
        loop {
            changed.mark_unchanged();
            {
                let mut inner = self.lock();
                if !inner.is_alive(way) {
                    return false;
                }
                if !inner.is_cut(&way.from, &way.to) {
                    break;
                }
                inner.counts.held += u64::from(!counted);
                counted = true;
            }
            if changed.changed().await.is_err() {
                return false;
            }
        }
        true
    }

    /// How long a packet takes that sets out now.
    fn delay(&self, way: &Way) -> Duration {
        let mut inner = self.lock();
        let slow = inner.slow_ms.get(&(way.from.clone(), way.to.clone())).copied();
        inner.counts.slowed += u64::from(slow.is_some());
        drop(inner);
        let added = slow.map_or(Duration::ZERO, |(from, to)| self.dice.between_ms(from, to));
        self.dice.between_us(DELAY_US.0, DELAY_US.1) + added
    }

    /// Returns once the link is reset.
    async fn ended(&self, way: &Way) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            {
                let mut inner = self.lock();
                if !inner.is_alive(way) {
                    inner.counts.reset += 1;
                    return;
                }
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Inner {
    fn is_cut(&self, from: &str, to: &str) -> bool {
        self.cuts.contains(&(from.to_owned(), to.to_owned()))
    }

    fn life(&self, name: &str) -> u64 {
        self.lives.get(name).copied().unwrap_or_default()
    }

    fn resets(&self, from: &str, to: &str) -> u64 {
        self.resets.get(&(from.to_owned(), to.to_owned())).copied().unwrap_or_default()
    }

    fn way(&self, from: &str, to: &str) -> Way {
        let lives = [self.life(from), self.life(to)];
        Way { from: from.into(), to: to.into(), lives, resets: self.resets(from, to) }
    }

    fn is_alive(&self, way: &Way) -> bool {
        [self.life(&way.from), self.life(&way.to)] == way.lives
            && self.resets(&way.from, &way.to) == way.resets
    }
}

/// One direction of one connection.
#[derive(Clone)]
struct Way {
    from: String,
    to: String,
    lives: [u64; 2],
    resets: u64,
}

struct Port {
    net: Arc<Net>,
    name: String,
    life: u64,
}

impl Transport for Port {
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<Link>> {
        let (net, from, life) = (Arc::clone(&self.net), self.name.clone(), self.life);
        Box::pin(async move {
            let (there, back) = {
                let inner = net.lock();
                if inner.life(&from) != life {
                    return Err(io::ErrorKind::NetworkUnreachable.into());
                }
                (inner.way(&from, &address), inner.way(&address, &from))
            };
            // A lost SYN, or a lost answer to it: the caller's timeout ends the wait.
            if !net.pass(&there).await || !net.pass(&back).await {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let listener = net.lock().listeners.get(&address).cloned();
            let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
            let ((near, near_end), (far, far_end)) = (duplex(BUFFER), duplex(BUFFER));
            let (near_read, near_write) = tokio::io::split(near_end);
            let (far_read, far_write) = tokio::io::split(far_end);
            tokio::spawn(carry(Arc::clone(&net), there, near_read, far_write));
            tokio::spawn(carry(net, back, far_read, near_write));
            let theirs = Link { io: Box::new(far), name: from.as_str().into() };
            listener.send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok(Link { io: Box::new(near), name: address.as_str().into() })
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

/// Carries bytes one way until either end is closed or the link is reset; both ends then see it closed. What has
/// set out arrives, in order, whatever happens to the way behind it.
async fn carry(net: Arc<Net>, way: Way, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let (set_out, mut under_way) = mpsc::channel(UNDER_WAY);
    let sending = async {
        let mut packet = vec![0; PACKET];
        while let Ok(bytes @ 1..) = from.read(&mut packet).await {
            if !net.free(&way).await {
                return;
            }
            let arrives = Instant::now() + net.delay(&way);
            if set_out.send((arrives, packet[..bytes].to_vec())).await.is_err() {
                return;
            }
        }
        drop(set_out);
    };
    let receiving = async {
        while let Some((arrives, packet)) = under_way.recv().await {
            sleep_until(arrives).await;
            net.trace.tell(&way.from, &way.to, packet.len() as u64);
            if to.write_all(&packet).await.is_err() {
                return under_way.close(); // nobody listens: what is sent next ends the sending
            }
        }
    };
    tokio::select! {
        ((), ()) = join(sending, receiving) => {}
        () = net.ended(&way) => {}
    }
    let _ = to.shutdown().await; // the other end may be gone already
}
