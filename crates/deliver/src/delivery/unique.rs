//! What makes the name of an object unlike all others, and the same whenever it is made.

use afflux_transform::object_id;

/// Bytes that look random and follow from which object they are for.
#[derive(Debug)]
pub(crate) struct Unique {
    delivery: [u8; 8],
    batch: [u8; 8],
    index: [u8; 4],
    rolls: u64,
}

impl Unique {
    /// For the object `index` of a batch of a delivery stream.
    pub(crate) fn new(delivery: u64, batch: u64, index: u32) -> Self {
        Self {
            delivery: delivery.to_be_bytes(),
            batch: batch.to_be_bytes(),
            index: index.to_be_bytes(),
            rolls: 0,
        }
    }

    /// The object's id.
    pub(crate) fn id(&self) -> [u8; 16] {
        object_id(&[&self.delivery, &self.batch, &self.index])
    }

    /// One number after the other.
    pub(crate) fn next(&mut self) -> u64 {
        self.rolls += 1;
        let rolls = self.rolls.to_be_bytes();
        let bytes = object_id(&[&self.delivery, &self.batch, &self.index, &rolls]);
        let (first, second) = bytes.split_at(8);
        // Bits of an id that say what kind it is stand in both halves, at different places.
        let half = |half: &[u8]| {
            half.iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        half(first) ^ half(second).rotate_left(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_object_gets_the_same_bytes_and_no_other_does() {
        let mut one = Unique::new(1, 2, 3);
        assert_eq!(one.id(), Unique::new(1, 2, 3).id());
        let first = one.next();
        assert_ne!(first, one.next());
        assert_eq!(first, Unique::new(1, 2, 3).next());
        for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            let other = Unique::new(other.0, other.1, other.2);
            assert_ne!(one.id(), other.id());
        }
    }
}
