//! Delivery streams: what of which stream goes to which objects.

use afflux_deliver::{DeliveryDescription, DeliverySettings, DeliverySource};
use afflux_types::{DeliveryName, Error, Result, StreamName};
use afflux_wire::message::{
    Answer, Delivery, DeliveryBucket, DeliveryList, DeliveryRef, Done, ListDeliveries, NewDelivery,
    PauseDelivery,
};

use crate::config::Right;

use super::Admin;

/// Delivery streams in one answer, each with its settings.
const DELIVERIES_PER_ANSWER: usize = 50;

impl Admin<'_> {
    /// Makes one. Who may administer a stream may have it written anywhere.
    pub(super) async fn create_delivery(self, request: NewDelivery) -> Result<Answer> {
        let name = self.delivery(&request.delivery)?;
        let settings = DeliverySettings::from_json(&request.settings)?;
        if let DeliverySource::Stream { name, .. } = &settings.source {
            self.administered(name)?;
        }
        let deliveries = &self.state.deliveries;
        deliveries.create(&name, settings, String::new()).await?;
        tracing::info!(delivery = %name, token = self.identity.name(), "delivery stream created");
        Ok(Answer::Done(Done {}))
    }

    pub(super) async fn update_delivery(self, request: NewDelivery) -> Result<Answer> {
        let name = self.delivery(&request.delivery)?;
        let settings = DeliverySettings::from_json(&request.settings)?;
        let deliveries = &self.state.deliveries;
        if !deliveries.describe(&name)?.document.is_empty() {
            return Err(Error::invalid(format!(
                "delivery stream {name} was made by the Firehose API, which also changes it"
            )));
        }
        deliveries
            .update(&name, request.version, settings, String::new())
            .await?;
        tracing::info!(delivery = %name, token = self.identity.name(), "delivery stream changed");
        Ok(Answer::Done(Done {}))
    }

    pub(super) async fn pause_delivery(self, request: PauseDelivery) -> Result<Answer> {
        let name = self.delivery(&request.delivery)?;
        let PauseDelivery { paused, .. } = request;
        self.state.deliveries.set_paused(&name, paused).await?;
        tracing::info!(delivery = %name, paused, token = self.identity.name(), "delivery stream");
        Ok(Answer::Done(Done {}))
    }

    pub(super) async fn delete_delivery(self, request: DeliveryRef) -> Result<Answer> {
        let name = self.delivery(&request.delivery)?;
        self.state.deliveries.delete(&name).await?;
        tracing::info!(delivery = %name, token = self.identity.name(), "delivery stream deleted");
        Ok(Answer::Done(Done {}))
    }

    pub(super) fn list_deliveries(self, request: &ListDeliveries) -> Result<Answer> {
        self.identity.require(Right::Admin)?;
        let after = (!request.after.is_empty())
            .then(|| DeliveryName::new(&request.after))
            .transpose()?;
        let asked = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let limit = match asked {
            0 => DELIVERIES_PER_ANSWER,
            asked => asked.min(DELIVERIES_PER_ANSWER),
        };
        let all = self.state.deliveries.list(after.as_ref(), usize::MAX);
        let seen = all
            .iter()
            .filter(|delivery| self.delivery(delivery.name.as_str()).is_ok());
        // One more than fits tells whether there are more.
        let deliveries = seen.take(limit + 1).map(described);
        let mut deliveries = deliveries.collect::<Result<Vec<_>>>()?;
        let more = deliveries.len() > limit;
        deliveries.truncate(limit);
        Ok(Answer::Deliveries(DeliveryList { deliveries, more }))
    }

    /// A delivery stream that the client may administer: its rights are those on a stream of that name.
    fn delivery(self, name: &str) -> Result<DeliveryName> {
        let name = DeliveryName::new(name)?;
        let stream = StreamName::new(name.as_str())?;
        self.identity.require_on(Right::Admin, &stream)?;
        Ok(name)
    }
}

fn described(delivery: &DeliveryDescription) -> Result<Delivery> {
    let status = &delivery.status;
    let last_object = status.last_object.as_ref();
    let buckets = delivery.buckets.iter().map(|bucket| DeliveryBucket {
        bucket: bucket.name.clone(),
        state: bucket.state.name().to_owned(),
        meaning: bucket.state.to_string(),
    });
    Ok(Delivery {
        delivery: delivery.name.to_string(),
        settings: delivery.settings.to_json()?,
        version: delivery.version,
        paused: delivery.paused,
        finished: status.finished,
        records: status.totals.records,
        objects: status.totals.objects,
        bytes: status.totals.bytes,
        failed: status.totals.failed,
        missing: status.totals.missing,
        millis_behind: status.millis_behind,
        last_object: last_object
            .map(|object| object.key.clone())
            .unwrap_or_default(),
        last_error: status.last_error.clone().unwrap_or_default(),
        buckets: buckets.collect(),
    })
}
