//! The form of what is sent and answered: a type of ours, and the JSON Schema that is made from it.

use std::any::TypeId;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// A type, as far as the documentation and the judges need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    id: TypeId,
    name: fn() -> String,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

fn name<T: JsonSchema>() -> String {
    T::schema_name().into_owned()
}

fn schema<T: JsonSchema>(from: &mut SchemaGenerator) -> Schema {
    from.root_schema_for::<T>()
}

impl Shape {
    pub(crate) fn of<T: JsonSchema + 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: name::<T>, schema: schema::<T> }
    }

    pub(crate) fn id(&self) -> TypeId {
        self.id
    }

    pub(crate) fn name(&self) -> String {
        (self.name)()
    }

    /// What has to be so that it is taken.
    pub(crate) fn sent(&self) -> Value {
        self.made(SchemaSettings::draft2020_12().for_deserialize())
    }

    /// What is always so when it is answered.
    pub(crate) fn answered(&self) -> Value {
        self.made(SchemaSettings::draft2020_12().for_serialize())
    }

    fn made(&self, settings: SchemaSettings) -> Value {
        let mut settings = settings.with(|settings| settings.inline_subschemas = true);
        settings.meta_schema = None;
        (self.schema)(&mut settings.into_generator()).to_value()
    }
}
