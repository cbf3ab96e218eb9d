//! Landlock: which paths and which TCP ports a process, and all it starts, may use from now on.
//!
//! It refuses by path and by port number. It does not hide: names of processes in `/proc` stay readable, but not what
//! needs the right to trace them, as their environment. It does not see UDP, nor addresses.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope, path_beneath_rules,
};

use crate::policy::{Network, Policy, SYSTEM};

/// The versions that are told apart here, with what each adds.
const VERSIONS: [(u8, ABI); 7] =
    [(1, ABI::V1), (2, ABI::V2), (3, ABI::V3), (4, ABI::V4), (5, ABI::V5), (6, ABI::V6), (9, ABI::V9)];

/// What every program opens without asking.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts"];

/// The newest version whose every right the kernel takes; 0 without.
pub(crate) fn version() -> u8 {
    let taken = |abi: ABI| -> bool {
        let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        ruleset = match ruleset.handle_access(AccessFs::from_all(abi)) {
            Ok(ruleset) => ruleset,
            Err(_) => return false,
        };
        if abi >= ABI::V4 {
            ruleset = match ruleset.handle_access(AccessNet::from_all(abi)) {
                Ok(ruleset) => ruleset,
                Err(_) => return false,
            };
        }
        if abi >= ABI::V6 {
            ruleset = match ruleset.scope(Scope::from_all(abi)) {
                Ok(ruleset) => ruleset,
                Err(_) => return false,
            };
        }
        // The ruleset is made and let go of: nothing is bound by it.
        ruleset.create().is_ok()
    };
    VERSIONS.into_iter().take_while(|(_, abi)| taken(*abi)).last().map_or(0, |(version, _)| version)
}

/// Binds this thread, and what it becomes. `inside` is a view that bubblewrap made: its files need no second fence.
pub(crate) fn bind(policy: &Policy, inside: bool) -> Result<(), String> {
    let abi = ABI::V9;
    let told = |error: landlock::RulesetError| error.to_string();
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    if !inside {
        ruleset = ruleset.handle_access(AccessFs::from_all(abi)).map_err(told)?;
    }
    let ports = match &policy.network {
        Network::On => None,
        Network::Loopback { ports } if ports.is_empty() && inside => None,
        Network::Loopback { ports } => Some(ports.as_slice()),
        Network::Off => Some(&[][..]),
    };
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp).map_err(told)?;
    }
    let mut bound = ruleset.scope(Scope::from_all(abi)).map_err(told)?.create().map_err(told)?;
    for port in ports.unwrap_or_default() {
        bound = bound.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(told)?;
    }
    if !inside {
        let read: BitFlags<AccessFs> = AccessFs::from_read(abi);
        let device = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::IoctlDev;
        let system = SYSTEM.iter().map(PathBuf::from).chain(["/proc".into(), "/sys/fs/cgroup".into()]);
        let read_only = system.chain(policy.read_only.iter().cloned());
        let read_write = [&policy.workspace, &policy.home].into_iter().chain(&policy.read_write);
        bound = bound
            .add_rules(path_beneath_rules(read_only, read))
            .and_then(|bound| bound.add_rules(path_beneath_rules(read_write, AccessFs::from_all(abi))))
            .and_then(|bound| bound.add_rules(path_beneath_rules(DEVICES, device)))
            .map_err(told)?;
    }
    bound.restrict_self().map(drop).map_err(told)
}
