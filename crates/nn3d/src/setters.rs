//! Chained setters of configs.

/// Public methods `with_NAME(self, NAME: TYPE) -> Self`, one a line.
macro_rules! setters {
    ($($(#[$doc:meta])* $method:ident $field:ident: $type:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $method(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )*
    };
}

pub(crate) use setters;
