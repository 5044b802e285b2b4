//! Files in memory that fail at a chosen operation and forget what was not synced.
//!
//! Two kinds of end: after [`SimFs::kill`] everything that was written is there, as after kill -9;
//! after [`SimFs::power_cut`] unsynced bytes are kept, lost or torn and unsynced names are kept or
//! lost, each by the seed. A rename is atomic and becomes durable with either of its directories.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{FileSystem, OutFile};

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It and all after it fail: the process is gone.
    Crash,
    /// It and all after it fail, for want of space, until [`SimFs::free`].
    FullUntilFreed,
}

#[derive(Clone, Debug)]
pub(crate) struct SimFs(Arc<Mutex<State>>);

type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Dir,
    File(usize),
}

#[derive(Clone, Debug, Default)]
struct Content {
    durable: Vec<u8>,
    current: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Change {
    Add(PathBuf, Node),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Default)]
struct State {
    names: Names,
    durable: Names,
    /// Every rename, in order.
    moves: Vec<(PathBuf, usize)>,
    /// Changes of names that are not durable yet, in order.
    pending: Vec<Change>,
    files: Vec<Content>,
    operations: u64,
    failure: Option<(u64, Failure)>,
}

impl SimFs {
    /// A file system with the empty directory `root`.
    pub(crate) fn new(root: &Path) -> Self {
        let names: Names = [(root.to_owned(), Node::Dir)].into();
        Self(Arc::new(Mutex::new(State {
            durable: names.clone(),
            names,
            ..State::default()
        })))
    }

    /// Lets the operation `after` from now fail.
    pub(crate) fn fail(&self, after: u64, failure: Failure) {
        let mut state = self.0.lock();
        let at = state.operations + after;
        state.failure = Some((at, failure));
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        self.0.lock().failure = None;
    }

    /// Makes a directory appear, as a mount does.
    pub(crate) fn mount(&self, path: &Path) {
        let mut state = self.0.lock();
        state.names.insert(path.to_owned(), Node::Dir);
        state.durable.insert(path.to_owned(), Node::Dir);
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// What a new process finds after kill -9.
    pub(crate) fn kill(&self) -> Self {
        let state = self.0.lock();
        Self(Arc::new(Mutex::new(State {
            names: state.names.clone(),
            durable: state.durable.clone(),
            pending: state.pending.clone(),
            files: state.files.clone(),
            ..State::default()
        })))
    }

    /// What a new process finds after a power cut.
    pub(crate) fn power_cut(&self, seed: u64) -> Self {
        let state = self.0.lock();
        let mut dice = Dice(seed | 1);
        let mut names = state.durable.clone();
        for change in &state.pending {
            if dice.roll(2) == 0 {
                apply(&mut names, change);
            }
        }
        let torn = state.files.iter().map(|file| tear(file, &mut dice));
        let files: Vec<Content> = torn
            .map(|bytes| Content {
                durable: bytes.clone(),
                current: bytes,
            })
            .collect();
        Self(Arc::new(Mutex::new(State {
            durable: names.clone(),
            names,
            files,
            ..State::default()
        })))
    }

    /// What every rename gave a name to, in order: that name, and the file's bytes.
    pub(crate) fn moves(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.0.lock();
        let moves = state.moves.iter();
        let moves = moves.map(|(path, id)| (path.clone(), state.files[*id].current.clone()));
        moves.collect()
    }

    /// Every file and its bytes.
    pub(crate) fn dump(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.lock();
        let files = state.names.iter().filter_map(|(path, node)| match node {
            Node::File(id) => Some((path.clone(), state.files[*id].current.clone())),
            Node::Dir => None,
        });
        files.collect()
    }

    fn step(&self) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        let mut state = self.0.lock();
        state.operations += 1;
        match state.failure {
            Some((at, Failure::Crash)) if state.operations >= at => {
                Err(io::Error::other("the process is gone"))
            }
            Some((at, Failure::FullUntilFreed)) if state.operations >= at => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(state),
        }
    }
}

/// A small generator: the same seed gives the same disaster.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// The durable bytes, the current ones, or a mix: pages reach the disk in any order.
fn tear(file: &Content, dice: &mut Dice) -> Vec<u8> {
    match dice.roll(3) {
        0 => file.durable.clone(),
        1 => file.current.clone(),
        _ => {
            // What was synced and not written again stays.
            let (short, long) = (file.durable.len(), file.current.len());
            let (short, long) = (short.min(long), short.max(long));
            let len = short + usize::try_from(dice.roll((long - short) as u64 + 1)).unwrap();
            let mut mixed = vec![0; len];
            for (at, byte) in mixed.iter_mut().enumerate() {
                let old = file.durable.get(at).copied().unwrap_or(0);
                let new = file.current.get(at).copied().unwrap_or(old);
                *byte = if dice.roll(8) == 0 { old } else { new };
            }
            mixed
        }
    }
}

fn apply(names: &mut Names, change: &Change) {
    let has_parent =
        |names: &Names, path: &Path| names.get(path.parent().unwrap()) == Some(&Node::Dir);
    match change {
        Change::Add(path, node) => {
            if has_parent(names, path) {
                names.entry(path.clone()).or_insert(*node);
            }
        }
        Change::Move(from, to) => {
            if has_parent(names, to)
                && let Some(node) = names.remove(from)
            {
                names.insert(to.clone(), node);
            }
        }
        Change::Remove(path) => {
            names.remove(path);
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(id)) => Ok(*id),
            _ => Err(not_found()),
        }
    }

    fn file_or_new(&mut self, path: &Path) -> io::Result<usize> {
        if self.names.get(path.parent().unwrap()) != Some(&Node::Dir) {
            return Err(not_found());
        }
        if let Ok(id) = self.file(path) {
            return Ok(id);
        }
        let id = self.files.len();
        self.files.push(Content::default());
        self.change(Change::Add(path.to_owned(), Node::File(id)));
        Ok(id)
    }
}

impl FileSystem for SimFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn OutFile>> {
        let mut state = self.step()?;
        let id = state.file_or_new(path)?;
        state.files[id].current.clear();
        Ok(Box::new(SimFile {
            fs: self.clone(),
            id,
            at: 0,
        }))
    }

    fn write_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn OutFile>> {
        let mut state = self.step()?;
        let id = state.file_or_new(path)?;
        Ok(Box::new(SimFile {
            fs: self.clone(),
            id,
            at: usize::try_from(offset).unwrap(),
        }))
    }

    fn read_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let state = self.step()?;
        let bytes = state.files[state.file(path)?].current.clone();
        let mut cursor = Cursor::new(bytes);
        cursor.set_position(offset);
        Ok(Box::new(cursor))
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.step()?;
        Ok(state
            .file(path)
            .ok()
            .map(|id| state.files[id].current.len() as u64))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        if state.names.get(path.parent().unwrap()) != Some(&Node::Dir) {
            return Err(not_found());
        }
        match state.names.get(path) {
            None => {
                state.change(Change::Add(path.to_owned(), Node::Dir));
                Ok(())
            }
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        if state.names.get(path) != Some(&Node::Dir) {
            return Err(not_found());
        }
        let here = |changed: &Path| changed.parent() == Some(path);
        let (now, later) = std::mem::take(&mut state.pending)
            .into_iter()
            .partition(|change| match change {
                Change::Add(path, _) | Change::Remove(path) => here(path),
                Change::Move(from, to) => here(from) || here(to),
            });
        state.pending = later;
        let now: Vec<Change> = now;
        for change in &now {
            if let Change::Move(from, _) = change
                && !state.durable.contains_key(from)
                && let Some(node) = state.pending.iter().find_map(|earlier| match earlier {
                    Change::Add(path, node) if path == from => Some(*node),
                    _ => None,
                })
            {
                // The name under which the file was made never became durable; the new one does.
                state.durable.insert(from.clone(), node);
            }
            apply(&mut state.durable, change);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let id = state.file(from)?;
        if state.names.get(to.parent().unwrap()) != Some(&Node::Dir) {
            return Err(not_found());
        }
        state.moves.push((to.to_owned(), id));
        state.change(Change::Move(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        state.file(path)?;
        state.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let state = self.step()?;
        if state.names.get(path) != Some(&Node::Dir) {
            return Err(not_found());
        }
        let inside = state
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(path));
        let named = inside.map(|(name, node)| {
            (
                name.file_name().unwrap().to_str().unwrap().to_owned(),
                *node == Node::Dir,
            )
        });
        Ok(named.collect())
    }
}

struct SimFile {
    fs: SimFs,
    id: usize,
    at: usize,
}

impl SimFile {
    fn put(&mut self, state: &mut State, bytes: &[u8]) {
        let current = &mut state.files[self.id].current;
        let end = self.at + bytes.len();
        if current.len() < end {
            current.resize(end, 0);
        }
        current[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fs = self.fs.clone();
        match fs.step() {
            Ok(mut state) => {
                self.put(&mut state, bytes);
                Ok(bytes.len())
            }
            Err(error) => {
                // Dying or running out of space in the middle of a write leaves half of it.
                let mut state = fs.0.lock();
                if state.failure.is_some_and(|(at, _)| at == state.operations) {
                    self.put(&mut state, &bytes[..bytes.len() / 2]);
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutFile for SimFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.fs.step()?;
        let file = &mut state.files[self.id];
        file.durable = file.current.clone();
        Ok(())
    }
}
