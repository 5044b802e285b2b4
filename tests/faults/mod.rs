//! Faults of the machine: full disks, changed bytes, a server that dies between write and answer.

mod corruption;
mod disk_full;
mod unknown_outcome;
