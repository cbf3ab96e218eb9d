//! What is tried: one file for each verb. A verb tells its checks in the order in which a tenant would meet them.

pub(crate) mod end_to_end;
pub(crate) mod isolation;
pub(crate) mod metrics;
pub(crate) mod quota;
pub(crate) mod scaling;
