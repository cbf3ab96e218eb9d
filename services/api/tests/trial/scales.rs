//! Stands in for what counts workers: one is wanted from the first job on, none once as many as were asked for have ended.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::double::{Asked, Fault, Told};

pub(crate) struct Scales {
    file: PathBuf,
    jobs: usize,
    ended: Mutex<HashSet<String>>,
}

impl Scales {
    pub(crate) fn new(file: PathBuf, jobs: usize) -> Self {
        fs::write(&file, "0\n").expect("a file");
        Self { file, jobs, ended: Mutex::default() }
    }
}

impl Fault for Scales {
    fn told(&self, asked: &Asked, told: &mut Told) {
        if told.status == 202 {
            fs::write(&self.file, "1\n").expect("a file");
        }
        if asked.method == "GET" && told.body["completed_at"].is_string() {
            let mut ended = self.ended.lock().expect("a lock");
            ended.insert(asked.path.clone());
            if ended.len() == self.jobs {
                fs::write(&self.file, "0\n").expect("a file");
            }
        }
    }
}
