//! Layers: a knob set above hides the same knob below.

/// Something that can be laid over another of its kind.
pub(super) trait Layer {
    /// What `self` sets, and what `below` sets where `self` does not.
    #[must_use]
    fn over(self, below: Self) -> Self;
}

impl<T: Layer> Layer for Option<T> {
    fn over(self, below: Self) -> Self {
        match (self, below) {
            (Some(above), Some(below)) => Some(above.over(below)),
            (above, below) => above.or(below),
        }
    }
}

/// Values hide each other as a whole. A list does so too: what a file says about kernels is all it wants.
macro_rules! value {
    ($($type:ty),+ $(,)?) => {
        $(impl Layer for $type {
            fn over(self, _below: Self) -> Self { self }
        })+
    };
}

/// Declares a struct of optional knobs that denies unknown keys and layers knob by knob.
macro_rules! knobs {
    ($(#[$meta:meta])* $name:ident { $($knob:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $(pub(super) $knob: Option<$type>,)+
        }

        impl Layer for $name {
            fn over(self, below: Self) -> Self {
                $name { $($knob: self.$knob.over(below.$knob),)+ }
            }
        }
    };
}

pub(super) use {knobs, value};
