# What the scripts of the tests share: finding what they need, installing it where they may, and ending what they started.
# Sourced by tests/run, tests/bench and tests/conformance, which set `me` to their own name.

fail() {
    echo "$me: $*" >&2
    exit 1
}

cache="${XDG_CACHE_HOME:-$HOME/.cache}/quorate"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
mkdir -p "$cache"
scratch=$(mktemp -d)
engine=""

clean_up() {
    if [ -n "$engine" ] && kill "$engine" 2>/dev/null; then
        wait "$engine" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Debian would start a daemon as soon as its package is installed; the tests start their own.
without_daemons() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    local code=0
    "$@" || code=$?
    rm -f "$policy"
    return "$code"
}

# install PACKAGE WHY: by apt, with the package lists fetched only where the first try fails.
install() {
    local package=$1 why=$2
    command -v apt-get >/dev/null || fail "$why, and there is no apt-get to install $package with"
    [ "$(id -u)" = 0 ] || fail "$why; as root: apt-get install $package"
    echo "installing $package" >&2
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package")
    { without_daemons "${apt[@]}" || { apt-get update -qq && without_daemons "${apt[@]}"; }; } </dev/null >"$scratch/apt" 2>&1 ||
        { cat "$scratch/apt" >&2; fail "$package could not be installed"; }
}

# need PROGRAM PACKAGE: the program is there, or becomes so, or the run ends.
need() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || install "$2" "$1 is missing"
}

need_python() {
    need python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv "python3 cannot make virtual environments"
    local stamp="$cache/venv/requirements.txt"
    if ! cmp -s tests/requirements.txt "$stamp"; then
        echo "installing what tests/requirements.txt names" >&2
        rm -rf "$cache/venv"
        python3 -m venv "$cache/venv" || fail "python3 -m venv failed"
        "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt ||
            fail "what tests/requirements.txt names could not be installed by pip"
        cp tests/requirements.txt "$stamp"
    fi
    export QUORATE_PYTHON="$cache/venv/bin/python"
    export QUORATE_AWS="$cache/venv/bin/aws"
    export QUORATE_ECS_DEPLOY="$cache/venv/bin/ecs"
}

need_javascript() {
    need node nodejs
    need npm npm
    local version stamp="$cache/javascript/package-lock.json"
    version=$(node --version)
    version=${version#v}
    [ "${version%%.*}" -ge 20 ] || fail "node is $version, and the JavaScript client needs 20 or newer"
    if ! cmp -s tests/clients/javascript/package-lock.json "$stamp"; then
        echo "installing what tests/clients/javascript/package-lock.json names" >&2
        rm -rf "$cache/javascript"
        mkdir -p "$cache/javascript.new"
        cp tests/clients/javascript/package.json tests/clients/javascript/package-lock.json "$cache/javascript.new"
        (cd "$cache/javascript.new" && npm ci --silent --no-audit --no-fund --ignore-scripts) ||
            fail "what tests/clients/javascript/package-lock.json names could not be installed by npm"
        mv "$cache/javascript.new" "$cache/javascript"
    fi
    export NODE_PATH="$cache/javascript/node_modules"
}

# The aws CLI's second version is Debian's; the first is in the virtual environment, and each is called by its path.
need_second_aws() {
    [ -x /usr/bin/aws ] || install awscli "the aws CLI's second version is missing"
    /usr/bin/aws --version 2>&1 | grep -q '^aws-cli/2' || fail "/usr/bin/aws is not the second version of the aws CLI, which Debian's awscli is"
    export QUORATE_AWS_2=/usr/bin/aws
}

need_docker() {
    need docker docker.io
    if ! docker info >/dev/null 2>&1; then
        need dockerd docker.io
        [ "$(id -u)" = 0 ] || fail "no Docker engine answers and only root can start one"
        echo "starting a Docker engine" >&2
        PATH="$PATH:/usr/sbin:/sbin" dockerd >"$scratch/dockerd" 2>&1 </dev/null &
        engine=$!
        for _ in $(seq 120); do
            docker info >/dev/null 2>&1 && break
            kill -0 "$engine" 2>/dev/null || break
            sleep 0.5
        done
        docker info >/dev/null 2>&1 || { tail -n 20 "$scratch/dockerd" >&2; fail "the Docker engine does not start"; }
    fi
    docker image inspect quorate-test/busybox >/dev/null 2>&1 || build_image
}

# The image of the tests: one static program, nothing pulled from anywhere.
build_image() {
    need busybox busybox-static
    local root="$scratch/image"
    mkdir -p "$root/bin" "$root/tmp" "$root/etc"
    cp "$(command -v busybox)" "$root/bin/busybox"
    ldd "$root/bin/busybox" >/dev/null 2>&1 && fail "busybox is not static; install busybox-static"
    local applet
    for applet in $("$root/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
    tar -C "$root" -c . | docker import --change 'ENV PATH=/bin' --change 'CMD ["sh"]' - quorate-test/busybox >/dev/null ||
        fail "the image quorate-test/busybox could not be built"
}

need_nextest() {
    cargo nextest --version >/dev/null 2>&1 && return
    echo "installing cargo-nextest" >&2
    cargo install --quiet --locked cargo-nextest || fail "cargo-nextest could not be installed"
}

need_cargo() {
    command -v cargo >/dev/null || fail "cargo is missing; install Rust (rustup) first"
    command -v cc >/dev/null || install build-essential "a C linker is missing"
}
