//! Packages of functions: the same each time, and refused where they would not start.

use std::io::Read as _;

use outpost_infrastructure::package::{GLIBC, Processor, look, pack};

/// The head of a program that has nothing in it, for a processor by its number.
pub(crate) fn program(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    bytes[16] = 2;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[20] = 1;
    bytes[52] = 64;
    bytes[58] = 64;
    bytes
}

pub(crate) const ARM64: u16 = 183;
const X86_64: u16 = 62;

#[test]
fn the_same_program_makes_the_same_package() {
    let program = [program(ARM64), vec![7; 100_000]].concat();
    let package = pack(&program, Processor::Arm64).expect("a package");
    assert_eq!(package, pack(&program, Processor::Arm64).expect("a package"));
    assert!(package.len() < program.len() / 10, "{} bytes", package.len());
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(package)).expect("an archive");
    assert_eq!(archive.len(), 1);
    let mut file = archive.by_index(0).expect("a file");
    assert_eq!((&*file.name().expect("a name"), file.unix_mode().map(|mode| mode & 0o777)), ("bootstrap", Some(0o755)));
    let mut unpacked = Vec::new();
    file.read_to_end(&mut unpacked).expect("its bytes");
    assert_eq!(unpacked, program);
}

#[test]
fn a_program_for_another_processor_is_refused() {
    assert!(pack(&program(X86_64), Processor::X86_64).is_ok());
    let refused = pack(&program(ARM64), Processor::X86_64).expect_err("another processor");
    assert!(refused.contains("`arm64`"), "{refused}");
    assert!(pack(&program(8), Processor::Arm64).is_err(), "neither of the two");
}

/// This test is a program of this machine, with a C library of its own: what is read from it is what the linker wrote.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_c_library_that_a_program_needs_is_found() {
    let me = std::fs::read(std::env::current_exe().expect("a path")).expect("this program");
    let glibc = look(&me).expect("a program").glibc.expect("a C library");
    assert!(glibc >= (2, 17) && glibc.0 == 2, "{glibc:?}");
    let processor = look(&me).expect("a program").processor;
    if glibc > GLIBC {
        let refused = pack(&me, processor).expect_err("too new as it is");
        assert!(refused.contains(&format!("glibc {}.{}", glibc.0, glibc.1)), "{refused}");
    }
    // The names of versions are texts of one length: with another one in place the same program needs a newer library.
    let [old, new] = [format!("GLIBC_{}.{}", glibc.0, glibc.1), "GLIBC_2.99".to_owned()];
    let mut changed = me.clone();
    for place in memchr(&me, old.as_bytes()) {
        changed[place..place + old.len()].copy_from_slice(new.as_bytes());
    }
    let refused = pack(&changed, processor).expect_err("too new");
    assert!(refused.contains("glibc 2.99"), "{refused}");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn memchr(text: &[u8], word: &[u8]) -> Vec<usize> {
    text.windows(word.len()).enumerate().filter(|(_, window)| *window == word).map(|(place, _)| place).collect()
}
