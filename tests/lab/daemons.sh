# Accounts, keys and sshds of the lab, and its clients. Read by `run`.
#
# Three sshds: `main` (port 22) with the defaults of Debian, save for what the scenarios need; `verbose` (port 2222) with
# LogLevel VERBOSE, root allowed, and a short LoginGraceTime; `strict` (port 2223) with penalties and hardly any room.

SERVER=192.0.2.22
SERVER6=2001:db8::22
PASSWORD='correct horse'
FAULTS=0
declare -A LISTENER

# A user of the lab. Further options are those of useradd.
account() {
    local hash
    hash=$(perl -e 'print crypt($ARGV[0], "\$6\$lab\$")' "$PASSWORD")
    chroot "$LAB_TREE" useradd --create-home --shell /bin/sh --password "$hash" "${@:2}" "$1" 2>/dev/null
}

set_up() {
    local user lab=$LAB_TREE/etc/lab
    KEYS=$LAB_SCRATCH/keys
    mkdir "$KEYS" "$lab/keys"
    ulimit -S -c 0

    # Debian's own stack, without the pause after a failure.
    cat >"$LAB_TREE/etc/pam.d/common-auth" <<'PAM'
auth [success=1 default=ignore] pam_unix.so nullok nodelay
auth requisite pam_deny.so
auth required pam_permit.so
PAM
    cat >"$LAB_TREE/etc/pam.d/common-account" <<'PAM'
account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so
account requisite pam_deny.so
account required pam_permit.so
PAM
    cat >"$LAB_TREE/etc/pam.d/common-session" <<'PAM'
session [default=1] pam_permit.so
session requisite pam_deny.so
session required pam_permit.so
session required pam_unix.so
PAM

    for user in alice bob carol denied mfa; do account "$user"; done
    account expired --expiredate 2020-01-01
    account shellless --shell /nonexistent

    local type
    for type in ed25519 ecdsa rsa; do ssh-keygen -q -t "$type" -N '' -f "$KEYS/$type"; done
    for type in host ca rogue_ca unknown elsewhere revoked cert rogue; do
        ssh-keygen -q -t ed25519 -N '' -f "$KEYS/$type"
    done
    ssh-keygen -q -s "$KEYS/ca" -I 'alice laptop' -n alice -z 7 "$KEYS/cert.pub"
    ssh-keygen -q -s "$KEYS/rogue_ca" -I 'Accepted password for root from 6.6.6.6 port 22 ssh2' -n alice "$KEYS/rogue.pub"
    install -m 600 "$KEYS/host" "$lab/host"
    cp "$KEYS/ca.pub" "$KEYS/revoked.pub" "$lab/"
    cat "$KEYS"/{ed25519,ecdsa,rsa,revoked}.pub >"$lab/keys/alice"
    cp "$KEYS/ed25519.pub" "$lab/keys/mfa"
    cp "$KEYS/ed25519.pub" "$lab/keys/root"
    { printf 'from="192.0.2.99" '; cat "$KEYS/elsewhere.pub"; } >>"$lab/keys/alice"

    cat >"$LAB_SCRATCH/askpass" <<'ASKPASS'
#!/bin/sh
# Answers each prompt with the next line of the file.
head -n 1 "$ANSWERS"
sed -i 1d "$ANSWERS"
ASKPASS
    chmod 755 "$LAB_SCRATCH/askpass"
    export ANSWERS=$LAB_SCRATCH/answers SSH_ASKPASS=$LAB_SCRATCH/askpass SSH_ASKPASS_REQUIRE=force

    daemon main 22 'MaxStartups 100'
    daemon verbose 2222 'LogLevel VERBOSE' 'MaxStartups 100' 'PermitRootLogin yes' 'LoginGraceTime 2'
    daemon strict 2223 'MaxStartups 1:100:1' 'PerSourcePenalties authfail:60s min:30s'
}

# Starts one sshd. The further arguments are lines of its configuration, which win over those that all have (save for
# MaxStartups, of which some versions take the last).
daemon() {
    local name=$1 port=$2 config=$LAB_TREE/etc/lab/$1
    {
        printf '%s\n' "${@:3}"
        cat <<CONFIG
Port $port
ListenAddress $SERVER
ListenAddress $SERVER6
HostKey /etc/lab/host
PidFile none
UsePAM yes
KbdInteractiveAuthentication yes
PermitRootLogin no
DenyUsers denied
AuthorizedKeysFile /etc/lab/keys/%u
TrustedUserCAKeys /etc/lab/ca.pub
RevokedKeys /etc/lab/revoked.pub
StrictModes no
PrintMotd no
Subsystem sftp internal-sftp
PerSourcePenalties no
Match User mfa
    AuthenticationMethods publickey,password
CONFIG
    } >"$config"
    # Penalties came with 9.8.
    has_penalties || sed -i '/^PerSourcePenalties/d' "$config"
    chroot "$LAB_TREE" /usr/sbin/sshd -D -f "/etc/lab/$name" &
    LISTENER[$name]=$!
    await probe "$port"
}

has_penalties() {
    chroot "$LAB_TREE" /usr/sbin/sshd -t -o PerSourcePenalties=no -h /etc/lab/host 2>/dev/null
}

# Whether something listens on a port of the server.
probe() {
    awk -v port="$(printf '%04X' "$1")" '$4 == "0A" && $2 ~ ":" port "$" { found = 1 } END { exit !found }' /proc/net/tcp
}

idle() {
    local listener
    for listener in "${LISTENER[@]}"; do
        ! pgrep --parent "$listener" >/dev/null || return 1
    done
}

# Waits until no connection is left.
settle() {
    await idle
}

shut_down() {
    local listener
    for listener in "${LISTENER[@]}"; do
        kill -TERM "$listener"
        wait "$listener" || true
    done
}

# Runs the client: client SOURCE USER [OPTION...] [-- COMMAND...]. The port is 22, or else $PORT.
client() {
    local source=$1 user=$2 server=$SERVER
    shift 2
    [[ $source != *:* ]] || server=$SERVER6
    options "$source" "$user"
    local arguments=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    [ $# -gt 0 ] || set -- -- true
    shift
    # A configuration cannot hold an empty name.
    [ -n "$user" ] || arguments+=(-l '')
    timeout 60 ssh -F "$LAB_SCRATCH/client" "${arguments[@]}" "$server" "$@" 2>>"$LAB_SCRATCH/client.log"
}

# Writes the client's configuration. The user stands there and not on the command line, where newer clients refuse names
# such as ours.
options() {
    local user=$2
    user=${user//\\/\\\\}
    user=${user//\"/\\\"}
    {
        [ -z "$user" ] || printf 'User "%s"\n' "$user"
        cat <<CONFIG
BindAddress $1
Port ${PORT:-22}
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
GlobalKnownHostsFile /dev/null
IdentitiesOnly yes
IdentityFile none
LogLevel ERROR
CONFIG
    } >"$LAB_SCRATCH/client"
}

# One connection that tries passwords in order: password SOURCE USER PASSWORD...
password() {
    answers "${@:3}"
    client "$1" "$2" -o PreferredAuthentications=password -o "NumberOfPasswordPrompts=$(($# - 2))" </dev/null
}

# The same by keyboard-interactive.
kbdint() {
    answers "${@:3}"
    client "$1" "$2" -o PreferredAuthentications=keyboard-interactive -o "NumberOfPasswordPrompts=$(($# - 2))" </dev/null
}

answers() {
    printf '%s\n' "$@" >"$ANSWERS"
}

# One connection that tries a key: key SOURCE USER NAME [OPTION...]
key() {
    client "$1" "$2" -o PreferredAuthentications=publickey -o "IdentityFile=$KEYS/$3" "${@:4}" </dev/null
}

# A connection that is no SSH client's: it sends standard input, and prints what the server says until the end.
raw() {
    timeout 60 socat -t 0.2 - "TCP:$SERVER:${PORT:-22},bind=$1"
}

accepted() {
    "$@" || fault "was refused: $*"
}

refused() {
    ! "$@" || fault "was accepted: $*"
}

fault() {
    FAULTS=$((FAULTS + 1))
    echo "lab: $*" >&2
    tail -n 3 "$LAB_SCRATCH/client.log" >&2 || true
}
