//! seccomp: system calls that only serve to break out, or to speak where the policy forbids it, answer `EPERM`.
//!
//! A list of what is refused, not of what is allowed: compilers and package managers use nearly everything. `ptrace` is not
//! on it: Landlock and namespaces already end it at the fence, and debuggers and leak checkers inside need it. Calls
//! of 32-bit programs end the program: their numbers are others.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::thread;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use crate::policy::{Network, Policy};

type Fault = seccompiler::BackendError;
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Doors out: kernel code, other views of the file system, new namespaces, rings that other filters do not see.
const REFUSED: [i64; 33] = [
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_open_by_handle_at,
    libc::SYS_pidfd_getfd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
];

const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Typing into the terminal above, in two ways.
const TYPING: [u64; 2] = [0x5412, 0x541C];

/// The bits of a socket's type that are the type.
const TYPE: u64 = 0xf;

/// Programs for x32 have the same architecture and numbers of their own.
const X32: i64 = 0x4000_0000;

/// Whether the kernel takes a filter. Tried on a thread that ends with it.
pub(crate) fn works() -> bool {
    let Ok(program) = compile(Rules::from([(libc::SYS_reboot, vec![])]), libc::EPERM) else { return false };
    thread::spawn(move || apply_filter(&program).is_ok()).join().unwrap_or(false)
}

/// Binds this thread, and what it becomes. `inside` is a view that bubblewrap made.
pub(crate) fn bind(policy: &Policy, inside: bool) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let rules = rules(policy, inside).map_err(|error| told(&error))?;
    let refused = compile(rules, libc::EPERM).map_err(|error| told(&error))?;
    // What `clone3` is asked for lies in memory, where no filter looks: libraries fall back to `clone`.
    let unknown = compile(Rules::from([(libc::SYS_clone3, vec![])]), libc::ENOSYS).map_err(|error| told(&error))?;
    apply_filter(&refused).map_err(|error| told(&error))?;
    apply_filter(&unknown).map_err(|error| told(&error))
}

fn compile(mut rules: Rules, errno: i32) -> Result<BpfProgram, Fault> {
    if cfg!(target_arch = "x86_64") {
        let twins: Vec<_> = rules.iter().map(|(number, rules)| (number | X32, rules.clone())).collect();
        rules.extend(twins);
    }
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::try_from(ARCH)?)?.try_into()
}

fn rules(policy: &Policy, inside: bool) -> Result<Rules, Fault> {
    let mut rules: Rules = REFUSED.into_iter().map(|number| (number, vec![])).collect();
    let mut clones = Vec::new();
    for flag in NEW_NAMESPACES {
        let flag = u64::from(flag.unsigned_abs());
        clones.push(rule(&[(0, MaskedEq(flag), flag)])?);
    }
    rules.insert(libc::SYS_clone, clones);
    let typing: Result<_, _> = TYPING.iter().map(|request| rule(&[(1, Eq, *request)])).collect();
    rules.insert(libc::SYS_ioctl, typing?);
    let sockets = sockets(policy, inside)?;
    if !sockets.is_empty() {
        rules.insert(libc::SYS_socket, sockets);
    }
    if holds_ports(policy, inside) {
        // Data with the first packet opens a connection past Landlock.
        let fast = libc::MSG_FASTOPEN.unsigned_abs().into();
        for (number, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            rules.insert(number, vec![rule(&[(flags, MaskedEq(fast), fast)])?]);
        }
    }
    Ok(rules)
}

/// Whether the network is the machine's, and held by ports.
fn holds_ports(policy: &Policy, inside: bool) -> bool {
    matches!(&policy.network, Network::Loopback { ports } if !(inside && ports.is_empty()))
}

fn sockets(policy: &Policy, inside: bool) -> Result<Vec<SeccompRule>, Fault> {
    let [local, netlink, four, six] =
        [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_INET, libc::AF_INET6].map(|domain| domain.unsigned_abs().into());
    let mut refused = Vec::new();
    if !policy.local_sockets && !inside {
        refused.push(rule(&[(0, Eq, local)])?);
    }
    if policy.network == Network::Off && !inside {
        refused.push(rule(&[(0, Ne, local), (0, Ne, netlink)])?);
    }
    if holds_ports(policy, inside) {
        refused.push(rule(&[(0, Ne, local), (0, Ne, netlink), (0, Ne, four), (0, Ne, six)])?);
        for domain in [four, six] {
            // Landlock holds TCP: everything else has to go.
            for kind in (0..=TYPE).filter(|kind| *kind != u64::from(libc::SOCK_STREAM.unsigned_abs())) {
                refused.push(rule(&[(0, Eq, domain), (1, MaskedEq(TYPE), kind)])?);
            }
            let tcp = libc::IPPROTO_TCP.unsigned_abs().into();
            refused.push(rule(&[(0, Eq, domain), (2, Ne, 0), (2, Ne, tcp)])?);
        }
    }
    Ok(refused)
}

/// All of these, by the number of the argument.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, Fault> {
    let conditions: Result<_, _> = conditions
        .iter()
        .map(|(argument, operator, value)| SeccompCondition::new(*argument, Dword, operator.clone(), *value))
        .collect();
    SeccompRule::new(conditions?)
}
