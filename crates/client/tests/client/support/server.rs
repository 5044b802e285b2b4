//! A server on a real QUIC endpoint that answers from memory, and breaks where a test says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use afflux_client::{Client, Config, Retry, Token, Trust};
use afflux_entry::{Header, Kind};
use afflux_media::{Continuity, Facts, Fragment, Init, Limits};
use afflux_types::{Error, ErrorKind, Position, ProducerTime};
use afflux_wire::message::{
    Activity, AdminRequest, AdminResponse, Answer, Command, Failure, FetchEnd, FragmentAck,
    FragmentStart, FragmentState, Produce, ProduceOpened, ShardEnd, Subscribe, SubscribeOpened,
    Upload, UploadOpened,
};
use afflux_wire::session::{produce, subscribe, upload};
use afflux_wire::{ALPN, Decoder, EntryLimits, Frame, Item, Stamped, message};
use bytes::Bytes;
use parking_lot::Mutex;
use quinn::{RecvStream, SendStream, VarInt};
use tokio::sync::watch;

use super::store::Store;

pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    endpoint: quinn::Endpoint,
    config: quinn::ServerConfig,
    pub(crate) address: SocketAddr,
    pub(crate) certificate: rustls_pki_types::CertificateDer<'static>,
}

pub(crate) struct Shared {
    pub(crate) store: Mutex<Store>,
    /// Counts changes of the store.
    changed: watch::Sender<u64>,
    /// Acknowledgements wait until this is true.
    pub(crate) acks: watch::Sender<bool>,
    /// When so many more entries or fragments were taken, the connection is closed before their
    /// acknowledgement; negative: never.
    pub(crate) break_after: AtomicI64,
    /// Counts fragments that began to arrive.
    pub(crate) started: watch::Sender<u64>,
    /// Subscriptions that were opened.
    pub(crate) subscriptions: AtomicU64,
    /// Bytes of entries that were sent to subscriptions.
    pub(crate) sent: AtomicU64,
    pub(crate) token: Mutex<String>,
}

impl Shared {
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let result = change(&mut self.store.lock());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// Waits until `holds` is true of the store.
    pub(crate) async fn until(&self, holds: impl Fn(&Store) -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds(&self.store.lock()) {
            changed.changed().await.unwrap();
        }
    }

    fn breaks(&self) -> bool {
        self.break_after.fetch_sub(1, Ordering::SeqCst) == 0
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = key.cert.der().clone();
        let private = rustls_pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private.into())
        .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let quic = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(quic));
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = bind(&config, any).unwrap();
        let shared = Arc::new(Shared {
            store: Mutex::default(),
            changed: watch::Sender::new(0),
            acks: watch::Sender::new(true),
            break_after: AtomicI64::new(-1),
            started: watch::Sender::new(0),
            subscriptions: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            token: Mutex::default(),
        });
        tokio::spawn(accept(endpoint.clone(), Arc::clone(&shared)));
        Self {
            address: endpoint.local_addr().unwrap(),
            shared,
            endpoint,
            config,
            certificate,
        }
    }

    /// Closes the endpoint with all of its connections, and opens it again on the same port.
    pub(crate) async fn restart(&mut self) {
        self.endpoint.close(VarInt::from_u32(2), b"restart");
        self.endpoint.wait_idle().await;
        // Lets go of the old endpoint, whose socket is closed when its driver has ended.
        self.endpoint = bind(&self.config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        self.endpoint = loop {
            match bind(&self.config, self.address) {
                Ok(endpoint) => break endpoint,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        tokio::spawn(accept(self.endpoint.clone(), Arc::clone(&self.shared)));
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.address.to_string(), Trust::LoopbackAny);
        config.token = Some(Token::new("secret"));
        // A server that goes away in the middle of a handshake is noticed by its silence only.
        config.transport.keep_alive = Duration::from_millis(200);
        config.transport.idle_timeout = Duration::from_secs(1);
        config.retry = Retry {
            pause_min: Duration::from_millis(1),
            pause_max: Duration::from_millis(20),
            ..Retry::default()
        };
        config
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.config()).await.unwrap()
    }
}

/// An endpoint that can tell the connections of its predecessor that they are gone.
fn bind(config: &quinn::ServerConfig, address: SocketAddr) -> std::io::Result<quinn::Endpoint> {
    let reset_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"the same after a restart");
    let endpoint = quinn::EndpointConfig::new(Arc::new(reset_key));
    let socket = std::net::UdpSocket::bind(address)?;
    let runtime = Arc::new(quinn::TokioRuntime);
    quinn::Endpoint::new(endpoint, Some(config.clone()), socket, runtime)
}

async fn accept(endpoint: quinn::Endpoint, shared: Arc<Shared>) {
    while let Some(incoming) = endpoint.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else {
                return;
            };
            while let Ok((send, receive)) = connection.accept_bi().await {
                let stream = Stream {
                    shared: Arc::clone(&shared),
                    connection: connection.clone(),
                    decoder: Decoder::new(Stamped::No, EntryLimits::NONE),
                    send,
                    receive,
                };
                tokio::spawn(stream.run());
            }
        });
    }
}

struct Stream {
    shared: Arc<Shared>,
    connection: quinn::Connection,
    decoder: Decoder,
    send: SendStream,
    receive: RecvStream,
}

/// The connection broke, or the client is done.
struct Gone;

impl Stream {
    async fn run(mut self) {
        let Some(Item::Frame(Frame::Open(open))) = self.next().await else {
            return;
        };
        let expected = self.shared.token.lock().clone();
        let result = if !expected.is_empty() && open.token != expected {
            let denied = Error::new(ErrorKind::Denied, "token is not known");
            Err(Some(Failure::of(&denied)))
        } else {
            match open.activity.unwrap() {
                Activity::Admin(request) => self.admin(request).await,
                Activity::Produce(produce) => self.produce(produce).await,
                Activity::Subscribe(subscribe) => self.subscribe(subscribe).await,
                Activity::Upload(upload) => self.upload(upload).await,
                Activity::Fetch(fetch) => self.fetch(fetch).await,
            }
        };
        if let Err(Some(failure)) = result
            && self.frame(failure.into()).await.is_err()
        {
            return;
        }
        let _ = self.send.finish();
        let _ = self.send.stopped().await;
    }

    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.decoder.next().unwrap() {
                return Some(item);
            }
            let chunk = self.receive.read_chunk(usize::MAX, true).await.ok()??;
            self.decoder.push(chunk.bytes);
        }
    }

    async fn frame(&mut self, frame: Frame) -> Result<(), Gone> {
        self.send
            .write_chunk(frame.encode())
            .await
            .map_err(|_| Gone)
    }

    async fn admin(&mut self, request: AdminRequest) -> Result<(), Option<Failure>> {
        let answer = self.shared.change(|store| match request.command.unwrap() {
            Command::CreateStream(request) => Ok(Answer::Stream(store.create(&request))),
            Command::DescribeStream(stream) => {
                Ok(Answer::Stream(store.stream(&stream.stream)?.describe()))
            }
            Command::SplitShard(split) => {
                let stream = store.stream(&split.stream)?;
                stream.split(split.shard);
                Ok(Answer::Stream(stream.describe()))
            }
            Command::MergeShards(merge) => {
                let stream = store.stream(&merge.stream)?;
                stream.merge(merge.shard, merge.adjacent);
                Ok(Answer::Stream(stream.describe()))
            }
            Command::DeleteStream(stream) => {
                store.streams.remove(&stream.stream);
                Ok(Answer::Done(message::Done {}))
            }
            _ => Err(Failure::of(&Error::invalid("this server cannot do that"))),
        })?;
        let response = AdminResponse {
            answer: Some(answer),
        };
        Ok(self.frame(response.into()).await?)
    }

    async fn produce(&mut self, produce: Produce) -> Result<(), Option<Failure>> {
        self.decoder.set_entry_limits(EntryLimits::batches());
        let opened = ProduceOpened {
            record_bytes_max: 1 << 20,
            unacked_bytes_max: 1 << 20,
            last_sequence: 0,
        };
        self.frame(opened.into()).await?;
        let mut receiver = produce::Receiver::new(1 << 20);
        let mut acks = self.shared.acks.subscribe();
        let mut moved = None;
        loop {
            let held = !*acks.borrow_and_update();
            if !held && let Some(acks) = receiver.poll_acks() {
                self.frame(acks.into()).await?;
                continue;
            }
            if moved.is_some() && receiver.waits_for().is_none() {
                return Err(moved);
            }
            let item = tokio::select! {
                changed = acks.changed() => {
                    changed.unwrap();
                    continue;
                }
                item = self.next(), if moved.is_none() && !receiver.is_full() => item,
            };
            let Some(Item::Entry(entry)) = item else {
                return Ok(());
            };
            receiver.handle_entry(entry.entry_len());
            let (len, body) = (entry.entry_len(), entry.contiguous());
            let ack = self.shared.change(|store| {
                let stream = store.stream(&produce.stream)?;
                stream.append(produce.shard, entry.header, body)
            });
            match ack {
                Ok(ack) => {
                    let end = Position::new(ack.position).advance(u64::from(ack.record_count));
                    receiver.handle_taken(ack, end, len);
                    receiver.handle_durable(end);
                }
                Err(failure) => moved = Some(failure),
            }
            if self.shared.breaks() {
                self.connection.close(VarInt::from_u32(2), b"broken");
                return Err(None);
            }
        }
    }

    async fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), Option<Failure>> {
        self.shared.subscriptions.fetch_add(1, Ordering::SeqCst);
        let (mut position, opened) = self.shared.change(|store| {
            let shard = store.stream(&subscribe.stream)?.shard(subscribe.shard)?;
            let wanted = match subscribe.start.unwrap().from.unwrap() {
                message::From::TrimHorizon(_) | message::From::Timestamp(_) => shard.trim_horizon,
                message::From::Latest(_) => shard.end,
                message::From::Position(position) => Position::new(position),
            };
            let opened = SubscribeOpened {
                position: wanted.max(shard.trim_horizon).get(),
                trim_horizon: shard.trim_horizon.get(),
                durable: shard.end.get(),
            };
            Ok::<_, Failure>((wanted.max(shard.trim_horizon), opened))
        })?;
        self.frame(opened.into()).await?;
        let mut credit = subscribe::Credit::new(subscribe.credit_bytes);
        let mut changed = self.shared.changed.subscribe();
        let mut last = None;
        loop {
            changed.borrow_and_update();
            let (next, end) = {
                let mut store = self.shared.store.lock();
                let stream = store.stream(&subscribe.stream)?;
                let children = stream.children(subscribe.shard);
                let shard = stream.shard(subscribe.shard)?;
                let next = match last {
                    None => shard.entry_at(position),
                    Some(last) => shard.entry(last + 1),
                };
                let end = ShardEnd {
                    position: shard.end.get(),
                    children,
                };
                (next, shard.is_closed().then_some(end))
            };
            match (next, end) {
                (Some((header, body, index)), _) if credit.available() > 0 => {
                    let head = Bytes::copy_from_slice(&header.encode());
                    let mut pieces = [head, body];
                    let len = u64::try_from(header.entry_len()).unwrap();
                    self.shared.sent.fetch_add(len, Ordering::SeqCst);
                    let sent = self.send.write_all_chunks(&mut pieces).await;
                    sent.map_err(|_| None)?;
                    credit.handle_sent(header.entry_len());
                    position = header.end();
                    last = Some(index);
                    if self.shared.breaks() {
                        self.connection.close(VarInt::from_u32(2), b"broken");
                        return Err(None);
                    }
                    continue;
                }
                (None, Some(end)) => {
                    self.frame(end.into()).await?;
                    return Ok(());
                }
                _ => {}
            }
            tokio::select! {
                item = self.next() => match item {
                    Some(Item::Frame(Frame::Grant(grant))) => credit.handle_grant(grant),
                    _ => return Ok(()),
                },
                change = changed.changed() => change.unwrap(),
            }
        }
    }

    async fn upload(&mut self, upload: Upload) -> Result<(), Option<Failure>> {
        let session = upload.session_id.clone();
        let next = self.shared.change(|store| {
            let stream = store.stream(&upload.stream)?;
            Ok::<_, Failure>(*stream.uploads.entry(session.clone()).or_default())
        })?;
        let opened = UploadOpened {
            next_fragment: next,
            fragment_bytes_max: 64 << 20,
        };
        self.frame(opened.into()).await?;
        let mut receiver = upload::Receiver::new(&opened);
        let (mut init, mut started, mut pieces) = (None, None, Vec::new());
        let mut acks = self.shared.acks.subscribe();
        loop {
            let Some(Item::Frame(frame)) = self.next().await else {
                return Ok(());
            };
            match receiver.handle_frame(frame).unwrap() {
                upload::Event::Init(bytes) => {
                    let parsed = Init::parse(bytes, &Limits::default()).unwrap();
                    self.store(&upload, Kind::Init, &parsed.encode().concat());
                    init = Some(parsed);
                }
                upload::Event::Start(start) => {
                    self.shared.started.send_modify(|count| *count += 1);
                    self.ack(start.number, FragmentState::Buffering).await?;
                    started = Some(start);
                }
                upload::Event::Data(data) => pieces.push(data),
                upload::Event::End { number } => {
                    self.ack(number, FragmentState::Received).await?;
                    tokio::select! {
                        open = acks.wait_for(|open| *open) => drop(open.unwrap()),
                        _ = self.connection.closed() => return Ok(()),
                    }
                    let init = init.as_ref().unwrap();
                    let pieces = std::mem::take(&mut pieces);
                    let fragment = Fragment::parse(init, pieces, &Limits::default()).unwrap();
                    let facts = facts(&session, &started.take().unwrap());
                    let body = fragment.encode(&facts).unwrap().concat();
                    self.store(&upload, Kind::Fragment, &body);
                    self.shared.change(|store| {
                        let stream = store.streams.get_mut(&upload.stream).unwrap();
                        stream.uploads.insert(session.clone(), number + 1);
                    });
                    if self.shared.breaks() {
                        self.connection.close(VarInt::from_u32(2), b"broken");
                        return Err(None);
                    }
                    self.ack(number, FragmentState::Persisted).await?;
                }
            }
        }
    }

    fn store(&self, upload: &Upload, kind: Kind, body: &[u8]) {
        let body = Bytes::copy_from_slice(body);
        let count = u32::from(kind == Kind::Fragment);
        let header = Header::for_body(kind, count, None, None, &[&body]);
        let taken = self.shared.change(|store| {
            let stream = store.stream(&upload.stream)?;
            stream.append(0, header, body)
        });
        taken.unwrap();
    }

    async fn ack(&mut self, number: u64, state: FragmentState) -> Result<(), Gone> {
        let ack = FragmentAck {
            number,
            state: state.into(),
            ..FragmentAck::default()
        };
        self.frame(ack.into()).await
    }

    async fn fetch(&mut self, fetch: message::Fetch) -> Result<(), Option<Failure>> {
        let entries = self.shared.change(|store| {
            let shard = store.stream(&fetch.stream)?.shard(0)?;
            Ok::<_, Failure>(shard.entries.clone())
        })?;
        let mut fragments = 0;
        for (header, body) in entries {
            fragments += u64::from(header.record_count);
            let mut pieces = [Bytes::copy_from_slice(&header.encode()), body];
            let sent = self.send.write_all_chunks(&mut pieces).await;
            sent.map_err(|_| None)?;
        }
        Ok(self.frame(FetchEnd { fragments }.into()).await?)
    }
}

fn facts(session: &Bytes, start: &FragmentStart) -> Facts {
    Facts {
        session_id: u128::from_be_bytes(session[..].try_into().unwrap()),
        sequence: u32::try_from(start.number).unwrap(),
        producer_time: ProducerTime::from_millis(start.producer_time_ms),
        continuity: if start.discontinuity {
            Continuity::Discontinuous
        } else {
            Continuity::Continuous
        },
        tags: Vec::new(),
    }
}

impl From<Gone> for Option<Failure> {
    fn from(_: Gone) -> Self {
        None
    }
}
