// Requests one frame after another, and draws it. The server answers as soon as there is a newer frame.

const canvas = document.querySelector("canvas");
const context = canvas.getContext("2d");
const numbers = document.querySelector("#numbers");
const state = document.querySelector("#state");

async function showSource() {
  const about = await (await fetch("api/about")).json();
  document.querySelector("#source").textContent = about.source;
  document.title = `${about.source} – mtcnn-cpp detect`;
}

async function draw(response) {
  const image = await createImageBitmap(await response.blob());
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
  }
  context.drawImage(image, 0, 0);
  image.close();
  numbers.textContent = response.headers.get("x-status");
  document.body.dataset.number = response.headers.get("x-number");
}

/** Draw frames until the source has ended. Return the reason. */
async function showFrames() {
  for (;;) {
    let response;
    try {
      response = await fetch(`api/frame?after=${document.body.dataset.number ?? 0}`);
    } catch {
      return "The program has ended.";
    }
    if (response.status === 410) return "The source has ended.";
    if (response.status === 200) await draw(response);
    else if (response.status !== 204) return `The server answered with status ${response.status}.`;
  }
}

await showSource().catch(() => {});
state.textContent = await showFrames();
