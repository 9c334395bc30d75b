//! Configurations: any text is taken or refused, and what is refused is said, in lines that the text has.
#![no_main]

use correlator::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Err(problems) = config::check("f", text) else { return };
    assert!(problems.iter().len() > 0);
    let lines = text.matches('\n').count() + 1;
    for problem in problems.iter() {
        let said = problem.to_string();
        assert!(said.starts_with("error: "));
        let line = said
            .rsplit_once("\n  --> f:")
            .and_then(|(_, place)| place.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok());
        assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{said}");
    }
});
