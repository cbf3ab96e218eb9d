//! What is sold, as the payment provider has to have it: a product for each paid tier, and a price for the one that has one.
//!
//! Everything has a name of our choice that the provider lets exist once: products their id, the price its lookup key. So
//! what is there is found, whoever made it and however far they came, and two who make it at the same time do not make two.
//! Idempotency keys would be worse: the provider forgets them within a day, and until then would repeat its answer about what
//! was deleted since. Each is also marked as ours. All is looked at before anything is changed, and where one thing is not
//! ours or not as it has to be, nothing is changed, neither by [`Catalog::make`] nor by [`Catalog::archive`].

use std::fmt;

use outpost_core::ports::Secret;
use outpost_core::tenant::Tier;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::plain;
use super::wire::{self, Wire};

/// The lookup key of the price.
const LOOKUP: &str = "outpost_pro_month";
/// What is ours has the tier in its metadata.
const MARK: &str = "outpost_tier";

/// A product: its id, what customers read, and what it is for.
#[derive(Clone, Copy, Debug)]
struct Product {
    id: &'static str,
    name: &'static str,
    tier: Tier,
}

const PRO: Product = Product { id: "outpost_pro", name: "Outpost Pro", tier: Tier::Pro };
const ENTERPRISE: Product = Product { id: "outpost_enterprise", name: "Outpost Enterprise", tier: Tier::Enterprise };

/// The products and the price of an account of the payment provider.
#[derive(Clone, Debug)]
pub struct Catalog {
    wire: Wire,
    cents: u32,
    currency: String,
}

/// What they are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub pro_product: Option<String>,
    pub pro_price: Option<String>,
    pub enterprise_product: Option<String>,
    /// Whether it is about real money; none where there is nothing.
    pub live: Option<bool>,
}

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// What is there is not what would be made.
    Differs(Vec<String>),
    /// The provider does not take the key, or not for this.
    Key(String),
    Provider {
        base: String,
        why: String,
    },
}

impl fmt::Display for Unlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(all) => write!(f, "nothing was changed, because of what is there: {}", all.join("; ")),
            Self::Key(told) => write!(
                f,
                "Stripe does not take OUTPOST_STRIPE_KEY: {told}; it has to be a secret key, or a restricted one that may \
                 write products and prices"
            ),
            Self::Provider { base, why } => {
                write!(f, "Stripe at `{base}`: {why}; run this again, it goes on from what is there")
            }
        }
    }
}

/// One thing, as it is there.
#[derive(Clone, Debug)]
struct Seen {
    id: String,
    active: bool,
    live: bool,
    /// Of a product: the price that is chosen by itself.
    default_price: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Found {
    pro: Option<Seen>,
    enterprise: Option<Seen>,
    price: Option<Seen>,
}

impl Found {
    fn listing(&self) -> Listing {
        let id = |seen: &Option<Seen>| seen.as_ref().map(|seen| seen.id.clone());
        Listing {
            pro_product: id(&self.pro),
            pro_price: id(&self.price),
            enterprise_product: id(&self.enterprise),
            live: [&self.pro, &self.price, &self.enterprise].into_iter().flatten().next().map(|seen| seen.live),
        }
    }
}

impl Catalog {
    /// `cents`: what a month costs, in the smallest unit of the currency.
    pub fn new(base: &str, key: Secret, cents: u32, currency: &str) -> Result<Self, String> {
        if !(1..=99_999_999).contains(&cents) {
            return Err(format!("`--amount {cents}` is no price: it is in cents, from 1 to 99999999"));
        }
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(format!("`--currency {currency}` is none: three small letters, such as `usd`"));
        }
        let text = key.reveal();
        if !text.starts_with("sk_") && !text.starts_with("rk_") || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("OUTPOST_STRIPE_KEY is no secret key of Stripe: these begin with `sk_` or `rk_`".to_owned());
        }
        Ok(Self { wire: Wire::new(base, key)?, cents, currency: currency.to_owned() })
    }

    /// Makes what is missing, and brings back what was archived.
    pub async fn make(&self) -> Result<Listing, Unlisted> {
        let mut found = self.find().await?;
        for (product, seen) in [(PRO, &mut found.pro), (ENTERPRISE, &mut found.enterprise)] {
            *seen = Some(match seen.take() {
                Some(seen) if seen.active => seen,
                Some(seen) => self.change("products", &seen.id, &[("active", "true")]).await?,
                None => {
                    let form = [("id", product.id), ("name", product.name), (&marked(), product.tier.as_str())];
                    self.post("/v1/products", &form).await?
                }
            });
        }
        found.price = Some(match found.price.take() {
            Some(seen) if seen.active => seen,
            Some(seen) => self.change("prices", &seen.id, &[("active", "true")]).await?,
            None => {
                let form = [
                    ("product", PRO.id),
                    ("currency", &self.currency),
                    ("unit_amount", &self.cents.to_string()),
                    ("recurring[interval]", "month"),
                    ("lookup_key", LOOKUP),
                    (&marked(), PRO.tier.as_str()),
                ];
                self.post("/v1/prices", &form).await?
            }
        });
        Ok(found.listing())
    }

    /// Has nobody buy any of it from now on. Who pays goes on paying. Nothing of it is ever deleted: the provider keeps what
    /// was paid for.
    pub async fn archive(&self) -> Result<Listing, Unlisted> {
        let found = self.find().await?;
        let price = found.price.as_ref().map(|price| price.id.as_str());
        // Products first: one that is not active sells at no price, and the provider keeps a price that its product names.
        for product in [&found.pro, &found.enterprise].into_iter().flatten() {
            let named = product.default_price.is_some() && product.default_price.as_deref() == price;
            let mut form = vec![("active", "false")];
            form.extend(named.then_some(("default_price", "")));
            if product.active || named {
                self.change("products", &product.id, &form).await?;
            }
        }
        if let Some(price) = found.price.as_ref().filter(|price| price.active) {
            self.change("prices", &price.id, &[("active", "false")]).await?;
        }
        Ok(found.listing())
    }

    /// What is there, if all of it is ours and as it has to be.
    async fn find(&self) -> Result<Found, Unlisted> {
        let mut differs = Vec::new();
        let mut found = Found::default();
        for (product, seen) in [(PRO, &mut found.pro), (ENTERPRISE, &mut found.enterprise)] {
            let Some(there) = self.product(product.id).await? else { continue };
            let place = format!("the product `{}`", product.id);
            differs.extend(stranger(&place, &there, product.tier));
            if there["name"] != product.name {
                differs.push(format!("{place} is called {}: call it \"{}\" again", there["name"], product.name));
            }
            *seen = Some(self.seen(&there)?);
        }
        if let Some(there) = self.price().await? {
            let place = format!("the price {} with the lookup key `{LOOKUP}`", there["id"]);
            differs.extend(stranger(&place, &there, PRO.tier));
            differs.extend(self.priced(&place, &there));
            found.price = Some(self.seen(&there)?);
        }
        if differs.is_empty() { Ok(found) } else { Err(Unlisted::Differs(differs)) }
    }

    async fn product(&self, id: &str) -> Result<Option<Value>, Unlisted> {
        match self.wire.get(&format!("/v1/products/{id}")).await {
            Ok(there) if there["deleted"] == true => Ok(None),
            Ok(there) if there["id"] == id => Ok(Some(there)),
            Ok(_) => Err(self.failed(wire::Error::Odd("another product than was asked for"))),
            // A place that is not the provider's answers 404, too.
            Err(wire::Error::Refused { code, .. }) if code == "resource_missing" => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The provider lists what is active or what is not, never both.
    async fn price(&self) -> Result<Option<Value>, Unlisted> {
        for active in ["true", "false"] {
            let mut query = Serializer::new(String::new());
            query.append_pair("active", active).append_pair("lookup_keys[]", LOOKUP);
            let listed = self.wire.get(&format!("/v1/prices?{}", query.finish())).await;
            let listed = listed.map_err(|error| self.failed(error))?;
            let Some(rows) = listed["data"].as_array() else {
                return Err(self.failed(wire::Error::Odd("a list of prices that is none")));
            };
            if let Some(there) = rows.first() {
                return Ok(Some(there.clone()));
            }
        }
        Ok(None)
    }

    /// What a price has that it should not have. It cannot be changed there, so the ways out are another wish or another price.
    fn priced(&self, place: &str, there: &Value) -> Option<String> {
        let text = |name: &str| there[name].as_str().unwrap_or_default().to_owned();
        let recurring = &there["recurring"];
        let wanted = [
            ("product", text("product"), PRO.id.to_owned()),
            ("amount", there["unit_amount"].to_string(), self.cents.to_string()),
            ("currency", text("currency"), self.currency.clone()),
            ("interval", recurring["interval"].as_str().unwrap_or("none").to_owned(), "month".to_owned()),
            ("count of intervals", recurring["interval_count"].to_string(), "1".to_owned()),
            ("usage", recurring["usage_type"].as_str().unwrap_or("none").to_owned(), "licensed".to_owned()),
        ];
        let other: Vec<String> = wanted
            .iter()
            .filter(|(_, is, should)| is != should)
            .map(|(name, is, should)| format!("{name} {is}, not {should}"))
            .collect();
        (!other.is_empty()).then(|| {
            let told = other.join(", ");
            format!(
                "{place} has {told}: say what it has (--amount, --currency), or take the lookup key from it in Stripe, so \
                 that another one is made"
            )
        })
    }

    async fn change(&self, kind: &str, id: &str, form: &[(&str, &str)]) -> Result<Seen, Unlisted> {
        self.post(&format!("/v1/{kind}/{id}"), form).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Seen, Unlisted> {
        let there = self.wire.post(path, form, None).await.map_err(|error| self.failed(error))?;
        self.seen(&there)
    }

    fn seen(&self, there: &Value) -> Result<Seen, Unlisted> {
        let id = plain(there["id"].as_str().unwrap_or_default()).map_err(|error| self.failed(error))?.to_owned();
        Ok(Seen {
            id,
            active: there["active"] == true,
            live: there["livemode"] == true,
            default_price: there["default_price"].as_str().map(str::to_owned),
        })
    }

    fn failed(&self, error: wire::Error) -> Unlisted {
        let said = |status: u16, code: String, told: String| match (code.is_empty(), told.is_empty()) {
            (_, false) => told,
            (false, true) => format!("{status} {code}"),
            (true, true) => status.to_string(),
        };
        match error {
            wire::Error::Refused { status: status @ (401 | 403), code, told } => {
                Unlisted::Key(self.wire.without_key(&said(status, code, told)))
            }
            wire::Error::Refused { status, code, told } => {
                let why = format!("it refuses: {}", self.wire.without_key(&said(status, code, told)));
                Unlisted::Provider { base: self.wire.base().to_owned(), why }
            }
            wire::Error::Silent(why) => {
                Unlisted::Provider { base: self.wire.base().to_owned(), why: format!("no answer: {why}") }
            }
            wire::Error::Odd(why) => Unlisted::Provider { base: self.wire.base().to_owned(), why: why.to_owned() },
        }
    }
}

fn marked() -> String {
    format!("metadata[{MARK}]")
}

/// That a thing is not ours, if it is not.
fn stranger(place: &str, there: &Value, tier: Tier) -> Option<String> {
    (there["metadata"][MARK] != tier.as_str()).then(|| {
        format!(
            "{place} was not made by this command: if it is to be used, give it the metadata `{MARK}` = `{}` in Stripe",
            tier.as_str()
        )
    })
}
