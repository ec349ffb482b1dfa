// Pictures may be dropped on the form, too. Without this script it is a form like any other.
const form = document.getElementById("drop");
const input = document.getElementById("image");
for (const event of ["dragover", "dragleave", "drop"]) {
  form.addEventListener(event, (dragged) => {
    dragged.preventDefault();
    form.classList.toggle("over", event === "dragover");
  });
}
form.addEventListener("drop", (dropped) => {
  if (dropped.dataTransfer.files.length) {
    input.files = dropped.dataTransfer.files;
    form.requestSubmit();
  }
});
