//! Schemas of the types whose JSON is a list, which the derive cannot tell.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ArrayBuilder, Schema},
    },
};

use crate::{BoxPx, SizePx, TrackPoint};

/// A list of `$length` times `$item`.
macro_rules! list_of {
    ($type:ty, $item:ty, $length:literal, $words:literal) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let list = ArrayBuilder::new()
                    .items(<$item>::schema())
                    .min_items(Some($length))
                    .max_items(Some($length))
                    .description(Some($words));
                list.into()
            }
        }
        impl ToSchema for $type {}
    };
}

list_of!(BoxPx, f32, 4, "Upright box `[x, y, w, h]` in pixels; x, y is its top left corner, x to the right, y down.");
list_of!(TrackPoint, f32, 3, "`[dt_s, x, y]`: seconds since the passage began; foot point in pixels of the frame.");
list_of!(SizePx, u32, 2, "`[width, height]` in pixels.");
