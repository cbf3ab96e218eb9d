//! What tenants have, in tables.

use outpost_core::id::TenantId;
use outpost_core::record::Counter;
use outpost_core::store::{Address, Listing, Page, Pending, Problem, Row, Store, Write};

use crate::item::{self, TENANT, TOTAL};
use crate::tables::Tables;

impl Store for Tables {
    fn get<'a>(&'a self, tenant: &'a TenantId, address: &'a Address) -> Pending<'a, Result<Option<Row>, Problem>> {
        Box::pin(async move {
            let Some(there) = self.item(address).await? else { return Ok(None) };
            if item::said(&there, TENANT) != Some(tenant.as_str()) {
                return Ok(None);
            }
            item::row(&there, self.now())
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        listing: &'a Listing,
        limit: usize,
        after: Option<&'a str>,
    ) -> Pending<'a, Result<Page<Row>, Problem>> {
        Box::pin(self.listed(tenant, listing, limit, after))
    }

    fn count<'a>(&'a self, tenant: &'a TenantId, counter: Counter) -> Pending<'a, Result<u64, Problem>> {
        Box::pin(async move {
            let now = self.now();
            let there = self.item(&Address::counter(tenant, counter)).await?;
            let stands = there.filter(|there| !item::has_ended(there, now));
            let stands = stands.and_then(|there| item::counted(&there, TOTAL)).unwrap_or(0);
            Ok(u64::try_from(stands).unwrap_or(0))
        })
    }

    fn commit<'a>(&'a self, tenant: &'a TenantId, writes: Vec<Write>) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move { self.change(tenant, &writes).await })
    }
}
