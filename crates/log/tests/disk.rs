//! A disk that remembers what was synced, fails on demand, and can be cut off at any moment.
//!
//! Files live in a real folder, so that they can be mapped. Beside each stands its durable image: what
//! the last sync covered. A crash image is made of these, of the names that were synced, and of a random
//! choice of the 512-byte sectors written since: some arrive, some do not, in no order.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use afflux_log::{Disk, FileSystem, LogFile, OpenMode};
use parking_lot::Mutex;

const SECTOR: usize = 512;

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Read,
    Write,
    Reserve,
    Sync,
    SyncDir,
    SyncAll,
    Remove,
}

/// Makes calls fail.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    /// Only files whose path contains this.
    pub(crate) path: &'static str,
    /// Calls that still succeed.
    pub(crate) after: u64,
    /// Calls that fail then.
    pub(crate) times: u64,
    /// The operating system's error number.
    pub(crate) errno: i32,
}

pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

/// Random numbers from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[derive(Debug, Default)]
struct Image {
    /// What survives a power cut for certain.
    durable: Vec<u8>,
    /// What was written since the last sync, in order.
    pending: Vec<(usize, Vec<u8>)>,
    len: usize,
    name_durable: bool,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Image>,
    /// Removed, but the folder has not been synced since.
    removed: BTreeMap<PathBuf, Image>,
    faults: Vec<Fault>,
    short_writes: bool,
    rng: Option<Rng>,
}

/// The disk.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
        }
    }

    /// Remembers the files in `root` as durable.
    pub(crate) fn adopt(&self, root: &Path) {
        let mut folders = vec![root.to_owned()];
        let mut state = self.state.lock();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let durable = std::fs::read(&path).unwrap();
                let image = Image {
                    len: durable.len(),
                    durable,
                    pending: Vec::new(),
                    name_durable: true,
                };
                state.files.insert(path, image);
            }
        }
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    pub(crate) fn heal(&self) {
        self.state.lock().faults.clear();
    }

    /// Makes every write write only part of its bytes.
    pub(crate) fn write_short(&self, seed: u64) {
        let mut state = self.state.lock();
        state.short_writes = true;
        state.rng = Some(Rng(seed));
    }

    /// Writes into `to` what a power cut right now may leave of `root`.
    pub(crate) fn crash(&self, root: &Path, to: &Path, rng: &mut Rng) {
        let state = self.state.lock();
        for (path, image) in &state.files {
            if image.name_durable || rng.below(2) == 0 {
                write_image(path, root, to, image, rng);
            }
        }
        // Removals in one folder become durable in their order, and segments are removed from the
        // oldest on: what is left of the removed ones is a run that ends with the newest.
        let mut came_back = false;
        for (path, image) in &state.removed {
            came_back = came_back || rng.below(2) == 0;
            if came_back && !state.files.contains_key(path) {
                write_image(path, root, to, image, rng);
            }
        }
    }

    fn check(&self, call: Call, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let text = path.to_string_lossy();
        for fault in &mut state.faults {
            if fault.call != call || !text.contains(fault.path) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                return Err(io::Error::from_raw_os_error(fault.errno));
            }
        }
        Ok(())
    }
}

fn write_image(path: &Path, root: &Path, to: &Path, image: &Image, rng: &mut Rng) {
    let mut bytes = image.durable.clone();
    let arrives = rng.below(4);
    for (offset, pending) in &image.pending {
        let end = offset + pending.len();
        bytes.resize(bytes.len().max(end), 0);
        let mut at = *offset;
        while at < end {
            let sector_end = ((at / SECTOR + 1) * SECTOR).min(end);
            // Nothing, half, most, or all of it.
            let lands = match arrives {
                0 => false,
                1 => rng.below(2) == 0,
                2 => rng.below(50) > 0,
                _ => true,
            };
            if lands {
                bytes[at..sector_end].copy_from_slice(&pending[at - offset..sector_end - offset]);
            }
            at = sector_end;
        }
    }
    bytes.resize(bytes.len().max(image.len), 0);
    let target = to.join(path.strip_prefix(root).unwrap());
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::write(target, bytes).unwrap();
}

fn settle(image: &mut Image) {
    for (offset, bytes) in image.pending.drain(..) {
        let end = offset + bytes.len();
        image.durable.resize(image.durable.len().max(end), 0);
        image.durable[offset..end].copy_from_slice(&bytes);
    }
    image.durable.resize(image.durable.len().max(image.len), 0);
}

impl FileSystem for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn LogFile>> {
        self.check(Call::Open, path)?;
        let file = Disk.open(path, mode)?;
        if mode != OpenMode::Read {
            let mut state = self.state.lock();
            if mode == OpenMode::Truncate {
                // A file that is made anew may keep its old bytes, or lose them.
                state.files.remove(path);
            }
            state.files.entry(path.to_owned()).or_default();
        }
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            file,
        }))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        Disk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.check(Call::Remove, path)?;
        Disk.remove_file(path)?;
        let mut state = self.state.lock();
        if let Some(image) = state.files.remove(path)
            && image.name_durable
        {
            state.removed.insert(path.to_owned(), image);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)?;
        let mut state = self.state.lock();
        if let Some(image) = state.files.remove(from) {
            state.files.insert(to.to_owned(), image);
        }
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.check(Call::SyncDir, dir)?;
        let mut state = self.state.lock();
        for (path, image) in &mut state.files {
            if path.parent() == Some(dir) {
                image.name_durable = true;
            }
        }
        state.removed.retain(|path, _| path.parent() != Some(dir));
        Ok(())
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        self.check(Call::SyncAll, dir)?;
        let mut state = self.state.lock();
        for image in state.files.values_mut() {
            settle(image);
            image.name_durable = true;
        }
        state.removed.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    file: Arc<dyn LogFile>,
}

impl LogFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.check(Call::Read, &self.path)?;
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.disk.check(Call::Write, &self.path)?;
        let mut bytes: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.iter().copied())
            .collect();
        let mut state = self.disk.state.lock();
        if state.short_writes
            && let Some(rng) = &mut state.rng
        {
            let len = 1 + usize::try_from(rng.below(bytes.len() as u64)).unwrap();
            bytes.truncate(len);
        }
        let mut done = 0;
        while done < bytes.len() {
            let rest = IoSlice::new(&bytes[done..]);
            done += self.file.write_at(&[rest], offset + done as u64)?;
        }
        if let Some(image) = state.files.get_mut(&self.path) {
            let start = usize::try_from(offset).unwrap();
            image.len = image.len.max(start + bytes.len());
            image.pending.push((start, bytes));
        }
        Ok(done)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.disk.check(Call::Reserve, &self.path)?;
        self.file.reserve(len)?;
        if let Some(image) = self.disk.state.lock().files.get_mut(&self.path) {
            image.len = image.len.max(usize::try_from(len).unwrap());
        }
        Ok(())
    }

    fn release(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.release(offset, len)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.check(Call::Sync, &self.path)?;
        if let Some(image) = self.disk.state.lock().files.get_mut(&self.path) {
            settle(image);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn lock(&self) -> io::Result<bool> {
        self.file.lock()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.descriptor()
    }
}
