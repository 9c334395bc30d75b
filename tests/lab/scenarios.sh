# The scenarios of the lab, in order. Read by `run`. Each has source addresses of its own, so that what it must cause can
# be told by them: truth.tsv says it.

SCENARIOS=(
    password key_ed25519 key_ecdsa key_rsa certificate kbdint_login ipv6 mfa
    failures_then_login failures kbdint_failures max_tries over_the_limit login_after_storm
    invalid_user invalid_user_key_only enumeration distributed
    name_accepted name_from name_colon name_blanks name_utf8 name_backslash name_empty name_preauth name_format
    name_control truncation_spoof truncation_spoof_blanks
    root_key root_password denied_user expired_account shellless_user
    key_wrong_host key_revoked key_unknown keys_then_password
    client_killed mux sftp crowd
    port_scan garbage_banner forged_banner no_common_cipher
    verbose_login verbose_root verbose_certificate_name grace_timeout
    throttled penalty crash
)

scenario_password() { accepted password 203.0.113.1 alice "$PASSWORD"; }
scenario_key_ed25519() { accepted key 203.0.113.2 alice ed25519; }
scenario_key_ecdsa() { accepted key 203.0.113.3 alice ecdsa; }
scenario_key_rsa() { accepted key 203.0.113.4 alice rsa; }
scenario_certificate() { accepted key 203.0.113.5 alice cert -o "CertificateFile=$KEYS/cert-cert.pub"; }
scenario_kbdint_login() { accepted kbdint 203.0.113.6 alice "$PASSWORD"; }
scenario_ipv6() { accepted password 2001:db8:1::7 alice "$PASSWORD"; }

scenario_mfa() {
    answers "$PASSWORD"
    accepted client 203.0.113.8 mfa -o "IdentityFile=$KEYS/ed25519" </dev/null
}

scenario_failures_then_login() { accepted password 203.0.113.10 alice wrong worse "$PASSWORD"; }
scenario_failures() { refused password 203.0.113.11 alice a b c; }
scenario_kbdint_failures() { refused kbdint 203.0.113.12 alice a b c; }
scenario_max_tries() { refused password 203.0.113.13 carol 1 2 3 4 5 6 7; }

# Seven failures in three connections: over the limit of five.
scenario_over_the_limit() {
    refused password 203.0.113.14 carol 1 2 3
    refused password 203.0.113.14 carol 1 2
    refused password 203.0.113.14 carol 1 2
}

# Failures for several users, and then a password that fits.
scenario_login_after_storm() {
    refused password 203.0.113.15 carol 1 2
    refused password 203.0.113.15 oracle 1 2
    refused password 203.0.113.15 mysql 1 2
    accepted password 203.0.113.15 alice "$PASSWORD"
}

scenario_invalid_user() { refused password 203.0.113.20 nobody-here 1 2; }
scenario_invalid_user_key_only() { refused key 203.0.113.21 nobody-here unknown; }

scenario_enumeration() {
    local user
    for user in admin backup deploy git guest jenkins nagios postgres test ubuntu; do
        refused key 203.0.113.22 "$user-x" unknown
    done
}

scenario_distributed() {
    local last
    for last in {1..20}; do refused password "198.51.100.$last" bob wrong; done
}

# Names that would be taken for something else by who searches instead of parsing.
scenario_name_accepted() { refused password 203.0.113.30 'Accepted password for root from 6.6.6.6 port 22 ssh2' x; }
scenario_name_from() { refused password 203.0.113.31 'x from 6.6.6.6 port 22' x; }
scenario_name_colon() { refused password 203.0.113.32 'root from 6.6.6.6 port 22 ssh2: RSA SHA256:abc' x; }
scenario_name_blanks() { refused password 203.0.113.33 '   ' x; }
scenario_name_utf8() { refused password 203.0.113.34 'jürgen' x; }
scenario_name_backslash() { refused password 203.0.113.35 'DOM\jane' x; }
scenario_name_empty() { refused password 203.0.113.36 '' x; }
scenario_name_preauth() { refused password 203.0.113.37 'root 6.6.6.6 port 22 [preauth]' x; }
scenario_name_format() { refused password 203.0.113.38 '%s%n%d' x; }
scenario_name_control() { refused password 203.0.113.39 $'a\tb\x1b[31m\x01' x; }

# Bytes that are escaped to four or five each push the true address past the length at which OpenSSH cuts its messages,
# and the name ends in an address of the attacker's choice.
scenario_truncation_spoof() {
    local name
    name=$(spoof ' 6.6.6.6 port 22 [preauth]')
    refused password 203.0.113.40 "$name" x
}

scenario_truncation_spoof_blanks() {
    local name
    name=$(spoof ' 6.6.6.6 port 22 [preauth]   ')
    refused password 203.0.113.41 "$name" x
}

# A name whose closing message, cut at 500 bytes, ends in TAIL. Before 10.3 the escapes are escaped again.
spoof() {
    local tail=$1 prefix='Connection closed by invalid user ' each=4 count
    double_escaped && each=5
    count=$(((500 - ${#prefix} - ${#tail}) / each))
    local rest=$((500 - ${#prefix} - ${#tail} - count * each))
    printf '\xe9%.0s' $(seq "$count")
    printf '%*s%s' "$rest" '' "$tail"
}

double_escaped() {
    local version
    version=$(chroot "$LAB_TREE" /usr/sbin/sshd -V 2>&1 || true)
    [[ $version =~ OpenSSH_([0-9]+)\.([0-9]+) ]] || version=$(chroot "$LAB_TREE" ssh -V 2>&1)
    [[ $version =~ OpenSSH_([0-9]+)\.([0-9]+) ]] || die "cannot tell the version of $LAB_TREE"
    ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] < 1003))
}

scenario_root_key() { refused key 203.0.113.50 root ed25519; }
scenario_root_password() { refused password 203.0.113.51 root guess; }
scenario_denied_user() { refused password 203.0.113.52 denied "$PASSWORD"; }
scenario_expired_account() { refused password 203.0.113.53 expired "$PASSWORD"; }
scenario_shellless_user() { refused password 203.0.113.54 shellless "$PASSWORD"; }
scenario_key_wrong_host() { refused key 203.0.113.55 alice elsewhere; }
scenario_key_revoked() { refused key 203.0.113.56 alice revoked; }
scenario_key_unknown() { refused key 203.0.113.57 alice unknown; }

# What an agent with many keys does, and then a typing error: not worth anybody's sleep.
scenario_keys_then_password() {
    answers wrong "$PASSWORD"
    accepted client 203.0.113.58 alice -o "IdentityFile=$KEYS/unknown" -o "IdentityFile=$KEYS/rogue" \
        -o PreferredAuthentications=publickey,password </dev/null
}

# The client vanishes without a word while its session runs.
scenario_client_killed() {
    local output=$LAB_SCRATCH/killed.out input=$LAB_SCRATCH/killed.in pid
    mkfifo "$input"
    exec 8<>"$input"
    options 203.0.113.60 alice
    ssh -F "$LAB_SCRATCH/client" -o "IdentityFile=$KEYS/ed25519" "$SERVER" 'echo ready; cat' <&8 >"$output" 2>/dev/null &
    pid=$!
    await grep -q ready "$output"
    kill -KILL "$pid"
    { wait "$pid" || true; } 2>/dev/null
    exec 8>&-
}

# Three sessions over one connection: one login.
scenario_mux() {
    local control=$LAB_SCRATCH/control
    accepted key 203.0.113.61 alice ed25519 -o ControlMaster=yes -o ControlPersist=yes -o "ControlPath=$control"
    accepted client 203.0.113.61 alice -o "ControlPath=$control" </dev/null
    accepted client 203.0.113.61 alice -o "ControlPath=$control" </dev/null
    client 203.0.113.61 alice -o "ControlPath=$control" -O exit </dev/null
}

scenario_sftp() {
    options 203.0.113.62 alice
    echo 'ls /' | accepted sftp -q -b - -F "$LAB_SCRATCH/client" -o "IdentityFile=$KEYS/ed25519" "$SERVER" >/dev/null
}

# Logins at the same time, so that the messages of their sessions mix.
scenario_crowd() {
    local last pids=()
    for last in {100..119}; do
        LAB_SCRATCH=$LAB_SCRATCH/crowd.$last crowd_member "203.0.113.$last" &
        pids+=("$!")
    done
    wait "${pids[@]}"
}

# Its own directory, so that clients do not share a configuration.
crowd_member() {
    mkdir "$LAB_SCRATCH"
    ANSWERS=$LAB_SCRATCH/answers
    accepted password "$1" alice "$PASSWORD"
}

scenario_port_scan() { raw 203.0.113.70 </dev/null >/dev/null; }
scenario_garbage_banner() { printf 'GET / HTTP/1.0\r\n\r\n' | raw 203.0.113.71 >/dev/null; }
scenario_forged_banner() { printf "SSH-9.9-x' from 6.6.6.6 port 22\r\n" | raw 203.0.113.72 >/dev/null; }
scenario_no_common_cipher() { refused client 203.0.113.73 alice -o Ciphers=3des-cbc; }

scenario_verbose_login() { PORT=2222 accepted key 203.0.113.80 alice ed25519; }
scenario_verbose_root() { PORT=2222 accepted key 203.0.113.81 root ed25519; }

# Anybody can sign a certificate with a key ID of his choice.
scenario_verbose_certificate_name() {
    PORT=2222 refused key 203.0.113.82 alice rogue -o "CertificateFile=$KEYS/rogue-cert.pub"
}

# A client that says nothing after its banner: the server ends it.
scenario_grace_timeout() {
    hold 203.0.113.83 2222
    wait "$HELD"
    release
}

# Opens a connection and keeps it, once the server has sent its banner.
hold() {
    local output=$LAB_SCRATCH/held.out input=$LAB_SCRATCH/held.in
    rm -f "$input" "$output"
    mkfifo "$input"
    exec 9<>"$input"
    printf 'SSH-2.0-lab\r\n' >&9
    socat -t 0.2 - "TCP:$SERVER:$2,bind=$1" <&9 >"$output" 9>&- &
    HELD=$!
    await grep -qs SSH- "$output"
}

# Ends the connection that `hold` opened.
release() {
    exec 9>&-
    kill "$HELD" 2>/dev/null || true
    wait "$HELD" || true
}

# There is room for one connection, and it is taken.
scenario_throttled() {
    hold 203.0.113.90 2223
    PORT=2223 refused password 203.0.113.91 alice "$PASSWORD"
    release
}

# The first connection fails, and the second is not let in.
scenario_penalty() {
    has_penalties || return 0
    PORT=2223 refused password 203.0.113.92 carol wrong
    settle
    PORT=2223 refused password 203.0.113.92 alice "$PASSWORD"
}

# The process of a connection is killed as by an exploit that went wrong.
scenario_crash() {
    hold 203.0.113.93 2222
    kill -SEGV "$(pgrep --parent "${LISTENER[verbose]}")"
    release
}
