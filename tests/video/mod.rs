//! Cameras: good ones with every codec, broken ones, and ones on bad networks.

mod broken;
mod camera;
mod kvs;
mod network;
mod notify;

use afflux_testkit::peer::Peer;
use afflux_wire::message::{Answer, Command, Fragment, ListFragments};

/// Every fragment of a stream.
pub(crate) async fn fragments(peer: &Peer, stream: &str) -> Vec<Fragment> {
    let mut all = Vec::new();
    let mut position = Some(0);
    while let Some(from) = position {
        let list = ListFragments {
            stream: stream.to_owned(),
            position: from,
            ..Default::default()
        };
        match peer.admin(Command::ListFragments(list)).await {
            Ok(Answer::Fragments(page)) => {
                all.extend(page.fragments);
                position = page.next_position;
            }
            other => panic!("list the fragments of {stream}: {other:?}"),
        }
    }
    all
}

/// Asserts that fragments stand once each and in order.
pub(crate) fn assert_each_once(fragments: &[Fragment], count: usize) {
    assert_eq!(fragments.len(), count);
    for pair in fragments.windows(2) {
        assert!(pair[0].position < pair[1].position);
        assert!(pair[0].fragment_number < pair[1].fragment_number);
        assert!(
            pair[0].producer_time_ms < pair[1].producer_time_ms,
            "{pair:#?}"
        );
    }
}
