# Words: the folder to begin in or nothing, whether the input is base64, how many NAME=VALUE follow, these, the program
# and its arguments. What keeps it from starting is left in the job's outputs: a status may be the program's own.
outpost_left=$OUTPOST_OUTPUT
outpost_refuse() {
    printf '{"outpost_not_started":"%s"}' "$1" >"$outpost_left"
    exit 126
}
outpost_dir=$1 outpost_coded=$2 outpost_count=$3
shift 3
while [ "$outpost_count" -gt 0 ]; do
    export "$1"
    shift
    outpost_count=$((outpost_count - 1))
done
if [ -n "$outpost_dir" ]; then
    CDPATH='' cd -- "$outpost_dir" 2>/dev/null || outpost_refuse directory
fi
case $1 in
*/*)
    [ -e "$1" ] || outpost_refuse program
    [ -f "$1" ] && [ -x "$1" ] || outpost_refuse executable
    ;;
*)
    outpost_found=
    outpost_ifs=$IFS
    IFS=:
    set -f
    for outpost_path in $PATH; do
        if [ -f "${outpost_path:-.}/$1" ] && [ -x "${outpost_path:-.}/$1" ]; then
            outpost_found=yes
            break
        fi
    done
    set +f
    IFS=$outpost_ifs
    [ -n "$outpost_found" ] || outpost_refuse program
    ;;
esac
if [ "$outpost_coded" = yes ]; then
    outpost_input=$(mktemp) && base64 -d >"$outpost_input" && exec <"$outpost_input" || outpost_refuse input
    rm -f -- "$outpost_input"
fi
exec "$@"
