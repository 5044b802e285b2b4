//! What an operator decides about the API.

use afflux_aws::arn::Place;
use afflux_types::limits::DELIVERY_STREAMS_MAX;

use crate::Table;

/// How the API presents itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// Region and account that resource names carry.
    pub place: Place,
    /// Delivery streams of the account.
    pub delivery_streams_max: usize,
    /// The tables whose columns converted records can have.
    pub tables: Vec<Table>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            place: Place::default(),
            delivery_streams_max: DELIVERY_STREAMS_MAX,
            tables: Vec::new(),
        }
    }
}
