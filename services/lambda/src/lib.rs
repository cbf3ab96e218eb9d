//! The service as functions of AWS Lambda.
//!
//! ```text
//! request ─► API Gateway (HTTP API) ─┬─► outpost-authorizer   says whose key it is        two tables, read only
//!                                    └─► outpost-lambda       `outpost_api::router`       everything
//! every minute ─► outpost-reaper                              what a server does beside requests
//! ```
//! **Nothing that comes with an event is believed.** What the authorizer found out stands in the event for logs; the API looks
//! the key up again, as it does behind every other door. So who may call the function past the gateway gets no further than
//! with the gateway, and a key that was revoked opens nothing from its next call on, whatever is remembered where.
//!
//! The loop that takes events and brings answers is `lambda_runtime`'s. Nothing here knows a rule of the service.

pub mod authorizer;
pub mod gateway;
pub mod program;
