//! Which index a record goes to, and under which id.

use afflux_types::{Result, ServerTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Document;
use crate::Fault;
use crate::name::local;
use crate::prefix::us_week;

const NAME_CHARS_MAX: usize = 80;
const TYPE_CHARS_MAX: usize = 100;
/// What clusters do not have in the name of an index.
const FORBIDDEN: &str = "\\/*?\"<>|,#: ";

/// Which index of a cluster records go to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSettings {
    /// What the names of indices begin with.
    pub name: String,
    /// How often there is a new index, by when records arrived.
    pub rotation: Rotation,
    /// The type of documents, which old clusters want; none if it is empty.
    pub type_name: String,
    /// Who gives documents their ids.
    pub ids: DocumentIds,
}

/// How often there is a new index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// Never.
    None,
    /// Every hour: `-yyyy-MM-dd-HH`.
    Hour,
    /// Every day: `-yyyy-MM-dd`.
    #[default]
    Day,
    /// Every week: `-yyyy-wNN`. Weeks begin on Sundays, and the first of a year is that with its first Saturday.
    Week,
    /// Every month: `-yyyy-MM`.
    Month,
}

/// Who gives documents their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentIds {
    /// The delivery stream, the same at every attempt: a document that is sent again replaces itself.
    #[default]
    Delivery,
    /// The cluster, a new one at every attempt: a document that is sent again may be there twice.
    Cluster,
}

impl IndexSettings {
    /// The index of a name with every default: another one every day.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self {
            name,
            rotation: Rotation::default(),
            type_name: String::new(),
            ids: DocumentIds::default(),
        }
    }

    /// Checks the names.
    ///
    /// # Errors
    /// If no cluster would have an index or a type of this name.
    pub fn check(&self) -> Result<()> {
        let name = &self.name;
        let allowed = |c: char| !c.is_uppercase() && !c.is_control() && !FORBIDDEN.contains(c);
        let is_name = (1..=NAME_CHARS_MAX).contains(&name.chars().count())
            && !name.starts_with(['-', '_', '+'])
            && !matches!(&**name, "." | "..")
            && name.chars().all(allowed);
        if !is_name {
            return Err(Fault::Index {
                name: name.clone(),
                max: NAME_CHARS_MAX,
            }
            .into());
        }
        let name = &self.type_name;
        if name.chars().count() > TYPE_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(Fault::DocumentType {
                name: name.clone(),
                max: TYPE_CHARS_MAX,
            }
            .into());
        }
        Ok(())
    }

    /// Where a record goes that arrived at `arrival`: the `ordinal`th of a request whose id is `request`, which no
    /// other request ever has.
    #[must_use]
    pub fn document(&self, arrival: ServerTime, request: &str, ordinal: usize) -> Document {
        let id = match self.ids {
            DocumentIds::Delivery => Some(format!("{request}-{ordinal}")),
            DocumentIds::Cluster => None,
        };
        Document {
            index: self.index(arrival),
            type_name: (!self.type_name.is_empty()).then(|| self.type_name.clone()),
            id,
        }
    }

    /// The index of records that arrived at a time.
    fn index(&self, arrival: ServerTime) -> String {
        let time = local(arrival, &TimeZone::UTC);
        let name = &self.name;
        match self.rotation {
            Rotation::None => name.clone(),
            Rotation::Hour => format!("{name}{}", time.strftime("-%Y-%m-%d-%H")),
            Rotation::Day => format!("{name}{}", time.strftime("-%Y-%m-%d")),
            Rotation::Week => {
                let (year, week) = us_week(time.date());
                format!("{name}-{year:04}-w{week:02}")
            }
            Rotation::Month => format!("{name}{}", time.strftime("-%Y-%m")),
        }
    }
}
