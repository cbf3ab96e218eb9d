//! A function of Lambda's as a zip: one program, called `bootstrap`, and the same bytes for the same program.
//!
//! A program is refused that would not start there: one for another processor, or one that asks for a newer C library than
//! Amazon Linux 2023 has.

use std::io::{Cursor, Write as _};

use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{Endianness, elf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The C library of `provided.al2023`.
pub const GLIBC: (u32, u32) = (2, 34);

/// What Lambda takes directly.
pub const LARGEST: usize = 50 << 20;

/// What a program is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    Arm64,
    X86_64,
}

impl Processor {
    /// As Lambda calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

/// What was found in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    pub processor: Processor,
    /// The newest C library that it asks for; none if it brings its own.
    pub glibc: Option<(u32, u32)>,
}

/// Looks into a program for Linux.
pub fn look(program: &[u8]) -> Result<Program, String> {
    let fault = |error: object::read::Error| format!("this is no program for 64-bit Linux: {error}");
    let header = elf::FileHeader64::<Endianness>::parse(program).map_err(fault)?;
    let endian = header.endian().map_err(fault)?;
    let processor = match header.e_machine(endian) {
        elf::EM_AARCH64 => Processor::Arm64,
        elf::EM_X86_64 => Processor::X86_64,
        _ => return Err("this is a program for neither `arm64` nor `x86_64`".to_owned()),
    };
    let sections = header.sections(endian, program).map_err(fault)?;
    let mut glibc = None;
    for section in sections.iter() {
        let Some((mut needs, link)) = section.gnu_verneed(endian, program).map_err(fault)? else { continue };
        let strings = sections.strings(endian, program, link).map_err(fault)?;
        while let Some((_, mut versions)) = needs.next().map_err(fault)? {
            while let Some(version) = versions.next().map_err(fault)? {
                let name = version.name(endian, strings).map_err(fault)?;
                glibc = glibc.max(numbers(&String::from_utf8_lossy(name)));
            }
        }
    }
    Ok(Program { processor, glibc })
}

/// `GLIBC_2.34`; other names are of other libraries.
fn numbers(name: &str) -> Option<(u32, u32)> {
    let mut parts = name.strip_prefix("GLIBC_")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The program as a package, if it would start.
pub fn pack(program: &[u8], processor: Processor) -> Result<Vec<u8>, String> {
    let found = look(program)?;
    if found.processor != processor {
        return Err(format!("this is a program for `{}`, not for `{}`", found.processor.name(), processor.name()));
    }
    if let Some((major, minor)) = found.glibc.filter(|found| *found > GLIBC) {
        return Err(format!(
            "this program asks for glibc {major}.{minor}, and Lambda has {}.{}: build it where there is no newer one \
             (docs/DEPLOYMENT.md)",
            GLIBC.0, GLIBC.1
        ));
    }
    let package = zip(program)?;
    if package.len() > LARGEST {
        return Err(format!("the package has {} bytes, and Lambda takes {LARGEST}", package.len()));
    }
    Ok(package)
}

/// Without times and owners, so that nothing but the program decides what comes out.
fn zip(program: &[u8]) -> Result<Vec<u8>, String> {
    let fault = |error: zip::result::ZipError| format!("it cannot be packed: {error}");
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    package.start_file("bootstrap", options).map_err(fault)?;
    package.write_all(program).map_err(|error| format!("it cannot be packed: {error}"))?;
    Ok(package.finish().map_err(fault)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_not_texts() {
        assert_eq!(numbers("GLIBC_2.34"), Some((2, 34)));
        assert_eq!(numbers("GLIBC_2.2.5"), Some((2, 2)));
        assert!(numbers("GLIBC_2.4") < numbers("GLIBC_2.34"));
        assert_eq!(numbers("GCC_3.0"), None);
        assert_eq!(numbers("GLIBC_PRIVATE"), None);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01"] {
            assert!(pack(bytes, Processor::X86_64).is_err());
        }
    }
}
