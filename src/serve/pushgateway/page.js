document.addEventListener("click", async (event) => {
  const path = event.target.dataset.path;
  if (!path) return;
  event.preventDefault();
  if (!confirm("Delete this group?")) return;
  const answer = await fetch(path, { method: "DELETE" });
  if (answer.ok) location.reload();
  else alert(await answer.text());
});
