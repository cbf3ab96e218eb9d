//! Requests that wait: a bounded number for each tenant, so that none of them fills the house.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::problem::{Problem, RATE};

#[derive(Debug)]
pub(crate) struct Waiters {
    most: usize,
    waiting: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place to wait, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    tenant: String,
    waiting: Arc<Mutex<HashMap<String, usize>>>,
}

impl Waiters {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, waiting: Arc::default() }
    }

    pub(crate) fn enter(&self, tenant: &str) -> Result<Waiting, Problem> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(tenant.to_owned()).or_default();
        if *count >= self.most {
            let told = format!("{} requests of this tenant wait already", self.most);
            return Err(Problem::new(RATE, told).after(1));
        }
        *count += 1;
        Ok(Waiting { tenant: tenant.to_owned(), waiting: Arc::clone(&self.waiting) })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let waiters = Waiters::new(2);
        let (one, _two) = (waiters.enter("a").expect("a place"), waiters.enter("a").expect("a place"));
        assert!(waiters.enter("a").is_err() && waiters.enter("b").is_ok());
        drop(one);
        assert!(waiters.enter("a").is_ok());
        assert_eq!(waiters.waiting.lock().expect("a lock").len(), 1);
    }
}
