//! Floor 0: what was probably meant by a name that is none.

/// The name most like `given`, when at most a third of it would have to change.
pub(crate) fn suggest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_ascii_lowercase()), name))
        .filter(|(changes, name)| changes * 3 <= name.len().max(given.len()))
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, name)| name)
}

/// Asks whether the name most like `given` was meant, if any is like it.
pub(crate) fn did_you_mean<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    suggest(given, names).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_and_nothing_far() {
        let names = ["login_failure_limit", "login_failure_window", "ipv6_prefix"];
        assert_eq!(suggest("login_failure_limt", names), Some("login_failure_limit"));
        assert_eq!(suggest("login_failure_windw", names), Some("login_failure_window"));
        assert_eq!(suggest("IPV6prefix", names), Some("ipv6_prefix"));
        assert_eq!(suggest("tpc", ["udp", "tcp"]), Some("tcp"));
        assert_eq!(suggest("colour", names), None);
        assert_eq!(suggest("", names), None);
    }
}
