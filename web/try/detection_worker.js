// Runs detections in a worker. Only the last request gives a result.

/** @typedef {import("./core_files.js").CoreFiles} CoreFiles */
/** @typedef {Omit<import("./worker.js").DetectionRequest, "id">} Request */
/** @typedef {{request: Request, resolve: (result: any) => void, reject: (error: Error) => void, id?: number, replaced?: boolean}} Job */

const PATIENCE = 400; // milliseconds that a request waits for a detection whose result is no longer needed

/** A request has no result because a later one replaced it, or because the user stopped it. */
export class Cancelled extends Error {}

// A worker with an address of its own would have no security policy; one of a blob has the policy of the page.
const WORKER = URL.createObjectURL(new Blob([`import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`], { type: "text/javascript" }));

export class DetectionWorker {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Job | null} */
  #running = null;
  /** @type {Job | null} */
  #waiting = null;
  #id = 0;

  /** @param {CoreFiles} files */
  constructor(files) {
    this.files = files;
    this.#start();
  }

  #start() {
    const worker = new Worker(WORKER, { type: "module" });
    worker.onmessage = ({ data }) => worker === this.#worker && this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#fail({ message: `The detector ended (${event.message || "its files cannot be loaded"}).` });
    };
    worker.postMessage({ kind: "load", ...this.files });
    this.#worker = worker;
  }

  /**
   * Run a request. The promise rejects with Cancelled if a later request replaces this one.
   * @param {Request} request
   * @returns {Promise<any>}
   */
  run(request) {
    return new Promise((resolve, reject) => {
      this.#waiting?.reject(new Cancelled());
      this.#waiting = { request, resolve, reject };
      if (this.#running) this.#replace(this.#running);
      this.#next();
    });
  }

  /**
   * Ignore the result of a running job. If it does not end soon, end its worker.
   * @param {Job} job
   */
  #replace(job) {
    if (job.replaced) return;
    job.replaced = true;
    job.reject(new Cancelled());
    setTimeout(() => job === this.#running && this.#restart(), PATIENCE);
  }

  #next() {
    if (this.#running || !this.#waiting) return;
    if (!this.#worker) this.#start();
    const job = this.#waiting;
    this.#waiting = null;
    this.#running = job;
    job.id = ++this.#id;
    this.#worker?.postMessage({ ...job.request, id: job.id });
  }

  /** @param {{id?: number, result?: any, error?: {code: string, message: string}, failed?: {code: string, message: string}}} answer */
  #receive({ id, result, error, failed }) {
    if (failed) return this.#fail(failed);
    const job = this.#running;
    if (!job || id !== job.id) return undefined;
    if (error?.code === "memory") return this.#fail(error);
    this.#running = null;
    if (error) job.reject(new Error(error.message));
    else job.resolve(result);
    return this.#next();
  }

  /** @param {{message: string}} error an error after which the worker cannot be used */
  #fail({ message }) {
    this.#running?.reject(new Error(message));
    this.#restart(false);
  }

  /** @param {boolean} start whether to start the next worker before it is needed */
  #restart(start = true) {
    this.#worker?.terminate();
    this.#worker = this.#running = null;
    if (start) this.#start();
    this.#next();
  }

  /** End all requests now. */
  stop() {
    for (const job of [this.#running, this.#waiting]) job?.reject(new Cancelled());
    this.#waiting = null;
    this.#restart();
  }

  /**
   * Post a message for the explorer.
   * @param {import("./worker.js").ExplorerRequest} message
   * @param {Transferable[]} transfer
   */
  post(message, transfer = []) {
    this.#worker?.postMessage(message, transfer);
  }
}
