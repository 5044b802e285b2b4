//! The order in which a server starts and stops.
//!
//! Start: check the settings, open the data (whose lock keeps a second server out), then the
//! certificate, then the sockets; only then is it ready. Stop: not ready any more, no new connections,
//! handlers acknowledge what they took, deliveries stop, the log is drained, sealed and synced.
//! Invariant: whatever hangs, [`Server::shutdown`] gives up on it in time for the log to be closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afflux_aws::arn::Place;
use afflux_deliver::{
    Catalogs, Deliveries, DeliveryOptions, Endpoints, Functions, KafkaClusters, Owner, Stores,
};
use afflux_engine::{Engine, EngineOptions, Keyring, VolumeOptions};

use afflux_types::{Clock, Error, Result};
use afflux_video::library::Library;
use tokio::task::{JoinError, JoinHandle};

use crate::auth::{self, Access};
use crate::aws::{self, Api, Services};
use crate::config::{Bucket, Catalog, Config, Endpoint, Function, Kafka};
use crate::listen::transport::{self, Transports};
use crate::listen::{http, quic};
use crate::metrics::{Metrics, Sample};
use crate::shutdown::{Stopping, Switch};
use crate::tls::{self, Fingerprint};

/// Deliveries get this long to bring their files to an end.
const DELIVERIES_STOP: Duration = Duration::from_secs(2);
/// The log gets this long to write what was accepted.
const ENGINE_STOP: Duration = Duration::from_secs(3);

/// What every handler sees.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) access: Access,
    pub(crate) engine: Engine,
    pub(crate) deliveries: Deliveries,
    pub(crate) videos: Arc<Library>,
    pub(crate) metrics: Metrics,
    pub(crate) api: Api,
    stopping: Stopping,
}

/// What is open before the server listens.
struct Inside {
    engine: Engine,
    deliveries: Deliveries,
    videos: Arc<Library>,
    api: Api,
}

/// Whether the server takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// And why not.
    Not(&'static str),
}

impl State {
    /// Whether a load balancer should send requests here.
    pub(crate) fn readiness(&self) -> Readiness {
        if self.stopping.is_set() {
            return Readiness::Not("stopping");
        }
        if self.engine.stats().volume.stopped_shards > 0 {
            return Readiness::Not("a shard has stopped after a failed write");
        }
        Readiness::Ready
    }

    /// Counts and logs a task that panicked.
    pub(crate) fn count_panic(&self, what: &'static str, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.metrics.panics_total.inc();
            tracing::error!(%error, "a {what} task panicked");
        }
    }
}

/// A running server.
///
/// Dropping it stops it without draining; call [`Server::shutdown`].
pub struct Server {
    state: Arc<State>,
    switch: Switch,
    quic_addr: SocketAddr,
    http_addr: SocketAddr,
    fingerprint: Fingerprint,
    quic: JoinHandle<()>,
    http: JoinHandle<()>,
}

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    /// `Invalid` if the settings contradict each other or would open the server to a network without
    /// credentials; `InUse` if another server uses the data directory; `DataLoss` if stored bytes are
    /// damaged; `Unavailable` if an address is taken or a file cannot be read or written.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn start(config: Config, clock: Clock) -> Result<Self> {
        Self::start_with(config, clock, aws::open).await
    }

    /// Starts a server whose APIs `open` gives.
    pub(crate) async fn start_with(
        config: Config,
        clock: Clock,
        open: impl AsyncFnOnce(&Config, &Engine, &Deliveries, Arc<Library>, &Clock) -> Result<Services>,
    ) -> Result<Self> {
        config.check()?;
        auth::check_addresses(&config)?;
        let access = Access::new(&config)?;
        let engine = open_engine(&config, clock.clone()).await?;
        let listening = async {
            let videos = Arc::new(Library::default());
            let deliveries = open_deliveries(&config, &engine, &clock).await?;
            let library = Arc::clone(&videos);
            let services = open(&config, &engine, &deliveries, library, &clock).await?;
            let api = Api::new(services, &config);
            let inside = Inside {
                engine: engine.clone(),
                deliveries,
                videos,
                api,
            };
            Self::listen(config, access, inside, clock).await
        };
        match listening.await {
            Ok(server) => Ok(server),
            Err(error) => {
                // The data goes back to how it was found.
                if let Err(closing) = engine.shutdown().await {
                    tracing::warn!(error = %closing.chain(), "close the data directory");
                }
                Err(error)
            }
        }
    }

    async fn listen(config: Config, access: Access, inside: Inside, clock: Clock) -> Result<Self> {
        let Inside {
            engine,
            deliveries,
            videos,
            api,
        } = inside;
        let tls = tls::load(&config, &access)?;
        let transports = Transports::new(&config, tls.quic)?;
        let endpoint = afflux_quic::bind(
            config.quic.listen,
            usize::try_from(config.quic.socket_buffer_bytes).unwrap_or(usize::MAX),
            transport::endpoint_config(&tls.reset_secret),
            Some((*transports.network).clone()),
        )?;
        let address = |error| Error::unavailable("read a socket's address").with_source(error);
        let quic_addr = endpoint.local_addr().map_err(address)?;
        let listener = http::bind(config.http.listen).await?;
        let http_addr = listener.local_addr().map_err(address)?;
        let switch = Switch::new();
        let state = Arc::new(State {
            metrics: metrics(engine.clone(), deliveries.clone()),
            config,
            access,
            engine,
            deliveries,
            videos,
            api,
            stopping: switch.subscribe(),
        });
        let quic = quic::serve(endpoint, transports, Arc::clone(&state), switch.subscribe());
        let http = http::Endpoint::new(Arc::clone(&state), clock, tls.http, switch.subscribe());
        let server = Self {
            quic: tokio::spawn(quic),
            http: tokio::spawn(http.serve(listener)),
            state,
            switch,
            quic_addr,
            http_addr,
            fingerprint: tls.fingerprint,
        };
        tracing::info!(
            quic = %quic_addr,
            http = %http_addr,
            fingerprint = %tls.fingerprint,
            data_dir = %server.state.config.data_dir.display(),
            "serving"
        );
        Ok(server)
    }

    /// The UDP address of the native protocol; with the port that the system chose.
    #[must_use]
    pub fn quic_addr(&self) -> SocketAddr {
        self.quic_addr
    }

    /// The TCP address of HTTP; with the port that the system chose.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// The SHA-256 of the server's certificate, which clients pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Waits until the server has ended by itself, which only a broken socket makes it do.
    pub async fn wait(&mut self) {
        let _ = (&mut self.quic).await;
    }

    /// Drains connections, stops deliveries, and makes everything durable; takes at most ten seconds.
    ///
    /// # Errors
    /// `Unavailable` or `DataLoss` if something that was accepted could not be made durable. It was
    /// not acknowledged.
    pub async fn shutdown(mut self) -> Result<()> {
        tracing::info!("stopping");
        self.switch.stop();
        for (what, ended) in [
            ("quic", (&mut self.quic).await),
            ("http", (&mut self.http).await),
        ] {
            self.state.count_panic(what, ended);
        }
        let State { deliveries, .. } = &*self.state;
        let stopped = deliveries.shutdown();
        if tokio::time::timeout(DELIVERIES_STOP, stopped)
            .await
            .is_err()
        {
            tracing::warn!("deliveries did not stop in time; they go on at the next start");
        }
        let closed = tokio::time::timeout(ENGINE_STOP, self.state.engine.shutdown());
        let closed = closed.await.unwrap_or_else(|_| {
            Err(Error::unavailable(format!(
                "the log was not closed within {} s; what was not acknowledged may be lost",
                ENGINE_STOP.as_secs()
            )))
        });
        tracing::info!(clean = closed.is_ok(), "stopped");
        closed
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("quic_addr", &self.quic_addr)
            .field("http_addr", &self.http_addr)
            .finish_non_exhaustive()
    }
}

/// Recovery may take a while; other tasks go on.
async fn open_engine(config: &Config, clock: Clock) -> Result<Engine> {
    let keyring = &config.encryption.keyring;
    let keyring = (!keyring.as_os_str().is_empty())
        .then(|| Keyring::open(keyring))
        .transpose()?;
    let options = EngineOptions {
        keyring,
        volume: VolumeOptions {
            segment_bytes_min: config.storage.segment_bytes_min,
            segment_bytes_max: config.storage.segment_bytes_max,
            ..VolumeOptions::default()
        },
        ..EngineOptions::new(&config.data_dir)
    };
    tokio::task::spawn_blocking(move || Engine::open(options, clock))
        .await
        .map_err(|error| Error::internal("open the data directory").with_source(error))?
}

async fn open_deliveries(config: &Config, engine: &Engine, clock: &Clock) -> Result<Deliveries> {
    let buckets = config.buckets.iter().map(Bucket::settings);
    let buckets = buckets.collect::<Result<Vec<_>>>()?;
    let functions = config.functions.iter().map(Function::settings);
    let functions = functions.collect::<Result<Vec<_>>>()?;
    let endpoints = config.endpoints.iter().map(Endpoint::settings);
    let endpoints = endpoints.collect::<Result<Vec<_>>>()?;
    let kafka = config.kafka.iter().map(Kafka::settings);
    let kafka = kafka.collect::<Result<Vec<_>>>()?;
    let catalogs = config.catalogs.iter().map(Catalog::settings);
    let catalogs = catalogs.collect::<Result<Vec<_>>>()?;
    let options = DeliveryOptions {
        directory: config.data_dir.clone(),
        stores: Stores::new(&buckets)?,
        functions: Functions::new(&functions)?,
        endpoints: Endpoints::new(&endpoints)?,
        kafka: KafkaClusters::new(&kafka)?,
        catalogs: Catalogs::new(&catalogs)?,
        owner: Owner {
            partition: Place::default().partition,
            region: config.aws.region.clone(),
            account: config.aws.account.clone(),
        },
        memory_bytes: usize::try_from(config.delivery.memory_bytes).unwrap_or(usize::MAX),
    };
    Deliveries::open(engine.clone(), clock.clone(), options).await
}

fn metrics(engine: Engine, deliveries: Deliveries) -> Metrics {
    Metrics::new(move || {
        let volume = engine.stats().volume;
        Sample {
            rounds: volume.rounds,
            entries: volume.entries,
            bytes: volume.bytes,
            write_seconds: volume.write_time.as_secs_f64(),
            sync_seconds: volume.sync_time.as_secs_f64(),
            queued_bytes: volume.queued_bytes,
            reserved_bytes: volume.reserved_bytes,
            pinned_bytes: volume.pinned_bytes,
            shards: volume.shards,
            stopped_shards: volume.stopped_shards,
            deliveries: deliveries.list(None, usize::MAX),
            buckets: deliveries.buckets(),
        }
    })
}
