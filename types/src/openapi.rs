//! Schemas of the types whose JSON is a list, which the derive cannot tell.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::{BoxPx, SizePx, TrackPoint};

macro_rules! schema_as {
    ($type:ty, $json:ty) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                <$json>::schema()
            }
        }
        impl ToSchema for $type {}
    };
}

schema_as!(BoxPx, Vec<f32>);
schema_as!(TrackPoint, Vec<f32>);
schema_as!(SizePx, Vec<u32>);
