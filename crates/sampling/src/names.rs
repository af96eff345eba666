//! Enums that are known to users by name: one declaration gives the list, the names and serde.

/// An enum of named values, each written `Variant = "name"`, with `ALL`, `name`, `Display`, `FromStr` and serde by name.
/// The literal after the enum's name is what error messages call such a value.
macro_rules! named_enum {
    (
        $(#[$about:meta])*
        pub enum $Enum:ident($what:literal) { $($(#[$each:meta])* $Variant:ident = $name:literal,)+ }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $Enum {
            $($(#[$each])* $Variant,)+
        }

        impl $Enum {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),+];

            /// The name in requests and recipes.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = $crate::ParseError;

            fn from_str(name: &str) -> Result<Self, $crate::ParseError> {
                Self::ALL.iter().copied().find(|value| value.name() == name).ok_or_else(|| $crate::ParseError::Name {
                    what: $what,
                    name: name.chars().take(40).collect(),
                    known: [$($name),+].join(", "),
                })
            }
        }

        impl TryFrom<String> for $Enum {
            type Error = $crate::ParseError;

            fn try_from(name: String) -> Result<Self, $crate::ParseError> {
                name.parse()
            }
        }

        impl From<$Enum> for String {
            fn from(value: $Enum) -> Self {
                value.name().into()
            }
        }
    };
}

pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    named_enum! {
        /// Two values.
        pub enum Side("side") {
            /// One.
            Left = "left",
            /// The other.
            Right = "right",
        }
    }

    #[test]
    fn names_round_trip_and_bad_names_fail() {
        for side in Side::ALL {
            assert_eq!(side.to_string().parse(), Ok(*side));
            assert_eq!(Side::try_from(String::from(*side)), Ok(*side));
        }
        for bad in ["", "Left", "left ", "up"] {
            let error = bad.parse::<Side>().unwrap_err();
            assert_eq!(error.to_string(), format!("unknown side '{bad}' (known: left, right)"));
        }
    }
}
