#!/bin/sh
# Reads the seed of this machine: the disk labelled `cidata`. It is read as far as a machine without cloud-init
# can: keys for ssh and a name out of `meta-data`, and a `user-data` that is a script. Keys are new at every
# start, name and script are for the first start of an instance.
set -u
state=/run/unibin
mkdir -p "$state/seed"

# A machine's own host keys: those of a bundle would be everybody's.
if [ -x /usr/bin/ssh-keygen ] && [ -d /etc/ssh ]; then
    [ -s /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
fi

seed=$(findfs LABEL=cidata 2>/dev/null) || exit 0
mount -o ro "$seed" "$state/seed" || exit 1
meta=$state/seed/meta-data user=$state/seed/user-data

# Whatever form of YAML they are in, but for comments: nothing else there looks like a key.
keys='\(sk-\)\{0,1\}\(ssh\|ecdsa\)-[a-z0-9@.-]* [A-Za-z0-9+/]\{40,\}=*'
sed 's/\(^\|[[:space:]]\)#.*//' "$meta" | grep -o "$keys" >"$state/keys.new"
mv "$state/keys.new" "$state/authorized_keys"

instance=$(sed -n 's/^instance-id: *["'\'']\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p' "$meta" | head -n 1)
if [ "$(cat /var/lib/unibin/instance 2>/dev/null)" != "$instance" ]; then
    name=$(sed -n 's/^\(local-\)\{0,1\}hostname: *["'\'']\{0,1\}\([A-Za-z0-9.-]*\).*/\2/p' "$meta" | head -n 1)
    if [ -n "$name" ]; then
        printf '%s\n' "$name" >/etc/hostname
        hostname "$name"
        sed -i "s/^127\.0\.1\.1[[:space:]].*/127.0.1.1\t$name/" /etc/hosts
    fi
    case $(head -c 2 "$user" 2>/dev/null) in '#!')
        cp "$user" "$state/user-data"
        chmod 700 "$state/user-data"
        ;;
    esac
    mkdir -p /var/lib/unibin
    printf '%s\n' "$instance" >/var/lib/unibin/instance
fi
umount "$state/seed"
