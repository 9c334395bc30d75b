//! The pages of handlers: every configuration, template and program on them is tried as it is written there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A page, taken apart.
struct Page {
    name: String,
    /// What stands in fences or is indented, without these.
    blocks: Vec<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let (mut blocks, mut block, mut is_fenced) = (Vec::new(), String::new(), false);
        for line in text.lines().chain([""]) {
            let is_fence = line.starts_with("```");
            let code = if is_fenced { Some(line) } else { line.strip_prefix("    ") };
            match code.filter(|_| !is_fence) {
                Some(code) => block.push_str(&format!("{code}\n")),
                // An indented block goes on behind an empty line; what it is of is told by its beginning.
                None if line.is_empty() && !block.is_empty() && !is_fence => block.push('\n'),
                None if block.is_empty() => {}
                None => blocks.push(std::mem::take(&mut block)),
            }
            is_fenced ^= is_fence;
        }
        blocks.extend(Some(block).filter(|block| !block.trim().is_empty()));
        Self { name: path.file_stem().unwrap().to_string_lossy().into_owned(), blocks }
    }

    fn of(name: &str) -> Self {
        Self::read(&PathBuf::from(format!("docs/handlers/{name}.md")))
    }

    /// The only block that begins so.
    fn block(&self, beginning: &str) -> &str {
        let mut found = self.blocks.iter().filter(|block| block.starts_with(beginning));
        let block = found.next().unwrap_or_else(|| panic!("{}: no block `{beginning}`", self.name));
        assert!(found.next().is_none(), "{}: several blocks `{beginning}`", self.name);
        block
    }
}

fn pages() -> Vec<Page> {
    let mut paths: Vec<_> =
        fs::read_dir("docs/handlers").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

/// A directory in place of /etc/correlator, with the credentials and certificates that a configuration names.
fn furnish(home: &Path, handlers: &str) -> PathBuf {
    let handlers = handlers.replace("/etc/correlator/", &format!("{}/", home.display()));
    for name in handlers.split("credential = \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let file = home.join(name.replace('/', "-"));
        fs::write(&file, "https://hooks.example.com/secret").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
    let authority = rcgen::generate_simple_self_signed(vec!["siem.example.com".to_owned()]).unwrap();
    fs::write(home.join("siem-ca.pem"), authority.cert.pem()).unwrap();
    let names: Vec<_> =
        handlers.lines().filter_map(|line| line.strip_prefix("[handlers.")?.strip_suffix(']')).collect();
    assert!(!names.is_empty(), "{handlers}");
    // What a page tells to put there.
    let program = home.join("correlator-block");
    if !program.exists() {
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }
    let handlers = handlers.replace("/usr/local/sbin/correlator-block", program.to_str().unwrap());
    let config = home.join("c.toml");
    let apps = format!("[apps.fleet]\nhandlers = {names:?}\n[apps.fleet.modules.openssh]\ntype = \"sshd\"\n");
    fs::write(&config, format!("{apps}{handlers}")).unwrap();
    config
}

fn correlator(home: &Path, config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(arguments).arg("--config").arg(config).arg("--data-dir").arg(home.join("data"));
    child::output(command.env("CREDENTIALS_DIRECTORY", home))
}

fn assert_checks(what: &str, handlers: &str, home: &Path) {
    let config = furnish(home, handlers);
    let output = correlator(home, &config, &["check"]);
    let said = String::from_utf8_lossy(&output.stderr);
    // A listener's address may be in use on this machine; that is a warning.
    assert!(output.status.success() && !said.contains("error"), "{what}:\n{handlers}\n{said}");
}

#[test]
fn every_configuration_on_a_page_is_right() {
    for page in pages() {
        let is_config = |block: &&String| block.starts_with("[handlers.");
        let configs: Vec<_> = page.blocks.iter().filter(is_config).collect();
        assert!(!configs.is_empty(), "{}: no configuration", page.name);
        for config in configs {
            let home = tempfile::tempdir().unwrap();
            assert_checks(&page.name, config, home.path());
        }
    }
}

#[test]
fn options_and_templates_that_pages_show_alone_are_right_in_a_handler() {
    let webhook = Page::of("webhook");
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("teams.json"), webhook.block("{\"title\"")).unwrap();
    let hook = webhook.block("[handlers.hook]").trim_end();
    let headers = webhook.block("headers = ");
    let handlers = format!("{hook}\ntemplate = \"/etc/correlator/teams.json\"\n{headers}");
    assert_checks("webhook", &handlers, home.path());

    let email = Page::of("email");
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("mail")).unwrap();
    let subject = home.path().join("mail/SSHDAttemptsExceeded.subject.txt");
    fs::write(subject, email.block("{{ event.fields.source }}")).unwrap();
    let handlers = format!("{}templates = \"/etc/correlator/mail\"\n", email.block("[handlers.oncall]"));
    assert_checks("email", &handlers, home.path());

    let sms = Page::of("sms");
    let home = tempfile::tempdir().unwrap();
    let template = sms.block("{{ severity }}").trim();
    let handlers = format!("{}\ntemplate = \"{template}\"\n", sms.block("[handlers.pager]").trim_end());
    assert_checks("sms", &handlers, home.path());
}

#[test]
fn the_program_of_the_page_blocks_an_address() {
    let page = Page::of("exec");
    let home = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| {
        fs::write(home.path().join(name), text).unwrap();
        fs::set_permissions(home.path().join(name), Permissions::from_mode(0o755)).unwrap();
    };
    program("correlator-block", page.block("#!/bin/sh"));
    program("nft", "#!/bin/sh\necho nft \"$@\"\n");
    let config =
        page.block("[handlers.block]").replace("/usr/local/sbin", &home.path().display().to_string());
    let config = furnish(home.path(), &config);
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
    command.args(["handlers", "test", "block", "--kind", "SSHDAttemptsExceeded", "--config"]).arg(config);
    let output = child::output(command.env("PATH", path).arg("--data-dir").arg(home.path()));
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = "delivered: nft add element inet filter banned { 203.0.113.9 timeout 1h }";
    assert!(output.status.success() && said.contains(expected), "{said}");
}
