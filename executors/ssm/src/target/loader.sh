# Outpost: what a target does with a command. The lines above this one set `outpost_role`, `outpost_mark`, `outpost_most`,
# `outpost_state64` and the function `outpost_order`; all that varies in them is hexadecimal, decimal or base64.
#
#   run   performs the order, unless this token was here before; then it answers as `ask` does
#   ask   waits for the end of it and tells it; if it never was here, it never will be
#   end   the same, and asks for the end
#
# The one thing that decides is `mkdir`: of all commands with one token, one makes the folder.
outpost_mask=$(umask)
umask 077
set -f
unset IFS
outpost_say() { printf '%s\n' "$@"; }
outpost_refuse() {
  outpost_say "outpost 1 $outpost_mark" "refused $1" "end $outpost_mark"
  exit 120
}
outpost_pause() { sleep 0.1 2>/dev/null || sleep 1; }
# Whether the process with this number still is the one that was born then.
outpost_alive() {
  { read -r outpost_stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  outpost_born "$outpost_stat"
  [ "$outpost_birth" = "$2" ]
}
outpost_born() {
  set -- ${1##*) }
  outpost_birth=${20}
  [ "$1" = Z ] && outpost_birth=over
}
outpost_settle() {
  printf '%s\n' "$@" > "$outpost_place/status.$$" && mv "$outpost_place/status.$$" "$outpost_place/status"
}
for outpost_tool in base64 cat grep head mkdir mkfifo mv sed setsid sleep tail tee wc; do
  command -v "$outpost_tool" > /dev/null 2>&1 || outpost_refuse "tool $outpost_tool"
done
[ -r /proc/self/stat ] || outpost_refuse "tool /proc"
outpost_state=$(printf %s "$outpost_state64" | base64 -d; printf x)
outpost_state=${outpost_state%x}
mkdir -p "$outpost_state" 2> /dev/null
{ [ -d "$outpost_state" ] && [ ! -L "$outpost_state" ] && [ -O "$outpost_state" ]; } || outpost_refuse state
outpost_place=$outpost_state/$outpost_mark
if mkdir "$outpost_place" 2> /dev/null; then
  if [ "$outpost_role" = run ]; then
    outpost_order > "$outpost_place/order" || outpost_refuse state
    sed -n 's/^keep //p' "$outpost_place/order" | base64 -d > "$outpost_place/keep" || outpost_refuse state
    read -r outpost_stat < "/proc/$$/stat"
    outpost_born "$outpost_stat"
    OUTPOST_MARK= setsid sh "$outpost_place/keep" keep "$outpost_place" "$outpost_mark" "$outpost_mask" $$ "$outpost_birth" \
      < /dev/null > /dev/null 2>&1 &
    wait $!
    # What was left long ago by others; the folders stay, so that their tokens do.
    (find "$outpost_state" -mindepth 2 -maxdepth 2 -type f ! -name status -mtime +1 -exec rm -f {} + \
      && find "$outpost_state" -mindepth 1 -maxdepth 1 -type d -mtime +40 -exec rm -rf {} +) > /dev/null 2>&1
  else
    mkdir "$outpost_place/taken" && outpost_settle "ended never"
  fi
elif [ ! -d "$outpost_place" ]; then
  outpost_refuse state
fi
[ "$outpost_role" = end ] && : > "$outpost_place/cancel"
outpost_tries=0
while [ ! -e "$outpost_place/status" ]; do
  outpost_pause
  outpost_tries=$((outpost_tries + 1))
  if [ -s "$outpost_place/keeper" ]; then
    read -r outpost_pid outpost_since outpost_boot < "$outpost_place/keeper"
    read -r outpost_now < /proc/sys/kernel/random/boot_id
    { [ "$outpost_boot" = "$outpost_now" ] && outpost_alive "$outpost_pid" "$outpost_since"; } && continue
    # It was killed, or the machine was: what it left is ended before that is said.
    [ -e "$outpost_place/status" ] || sh "$outpost_place/keep" bury "$outpost_place" "$outpost_mark" < /dev/null > /dev/null 2>&1
    [ -e "$outpost_place/status" ] || outpost_settle "ended lost"
  elif [ "$outpost_tries" -gt 100 ]; then
    # Whoever made the folder went no further. It cannot any more, or it just has.
    if mkdir "$outpost_place/taken" 2> /dev/null; then
      rm -f "$outpost_place/order"
      outpost_settle "ended never"
    elif [ "$outpost_tries" -gt 200 ]; then
      outpost_settle "ended lost"
    fi
  fi
done
# Told in a frame that survives whatever carries text: statuses, then the streams in base64, head and tail.
outpost_size() { if [ -f "$outpost_place/$1" ]; then wc -c < "$outpost_place/$1" | tr -d ' '; else echo 0; fi; }
outpost_part() {
  outpost_say "part $1"
  base64
}
outpost_show() {
  outpost_head=$(outpost_size "$1.head")
  outpost_kept=$((outpost_head + $(outpost_size "$1.tail")))
  [ "$outpost_kept" -gt 0 ] || return 0
  if [ "$outpost_kept" -le "$2" ]; then
    outpost_part "$1.head" < "$outpost_place/$1.head"
    outpost_part "$1.tail" < "$outpost_place/$1.tail"
    return
  fi
  outpost_first=$(($2 / 4))
  [ "$outpost_first" -le "$outpost_head" ] || outpost_first=$outpost_head
  head -c "$outpost_first" "$outpost_place/$1.head" | outpost_part "$1.head"
  cat "$outpost_place/$1.head" "$outpost_place/$1.tail" | tail -c "$(($2 - outpost_first))" | outpost_part "$1.tail"
}
outpost_out=$(($(outpost_size out.head) + $(outpost_size out.tail)))
outpost_err=$(($(outpost_size err.head) + $(outpost_size err.tail)))
if [ "$outpost_most" -eq 0 ] || [ $((outpost_out + outpost_err)) -le "$outpost_most" ]; then
  outpost_for_out=$outpost_out outpost_for_err=$outpost_err
else
  # Half for each, and what one does not need for the other.
  outpost_for_err=$((outpost_most / 2))
  [ "$outpost_err" -ge "$outpost_for_err" ] || outpost_for_err=$outpost_err
  outpost_for_out=$((outpost_most - outpost_for_err))
  [ "$outpost_out" -ge "$outpost_for_out" ] || { outpost_for_out=$outpost_out; outpost_for_err=$((outpost_most - outpost_out)); }
fi
outpost_say "outpost 1 $outpost_mark"
cat "$outpost_place/status"
outpost_show out "$outpost_for_out"
outpost_show err "$outpost_for_err"
outpost_say "end $outpost_mark"
exit 0
